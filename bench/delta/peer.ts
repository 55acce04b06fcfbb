/** delta-rs from PyPI, in a process of its own: what the Delta cases are measured beside. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { installVenv } from '../../src/lib/jupyter/python-venv.ts'

const pins = ['deltalake==1.6.6', 'pyarrow==26.0.1']
const name = 'delta-rs 1.6.6'

export interface PeerFigure {
  readonly name: string
  readonly value: number
}

/**
 * Runs one command of `peer.py`, which prints the seconds it took.
 *
 * @returns `undefined`, and says why, where there is no Python or the packages cannot be had.
 */
export async function deltaRs(command: string, ...args: readonly string[]): Promise<PeerFigure | undefined> {
  const scratchDir = mkdtempSync(join(tmpdir(), 'lakeshore-bench-peer-'))
  try {
    const cacheDir = resolve(import.meta.dirname, '../../.cache/services')
    mkdirSync(cacheDir, { recursive: true })
    const venv = await installVenv('bench-deltalake', pins, { cacheDir, scratchDir })
    const script = join(import.meta.dirname, 'peer.py')
    const { stdout } = await promisify(execFile)(join(venv, 'bin', 'python'), [script, command, ...args])
    return { name, value: Number(stdout) }
  } catch (error) {
    console.error(
      `bench: delta-rs was not measured: ${error instanceof Error ? error.message : String(error)}`,
    )
    return undefined
  } finally {
    rmSync(scratchDir, { recursive: true, force: true })
  }
}

/** The same as so many a second. */
export function perSecond(figure: PeerFigure | undefined, count: number): PeerFigure | undefined {
  return figure && { name: figure.name, value: count / figure.value }
}
