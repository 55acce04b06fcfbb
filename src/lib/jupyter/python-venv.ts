/** A Python virtual environment with pinned packages, made once per list of pins. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LakeError, messageOf } from '../base/errors.ts'
import { isInstalled, run } from './command.ts'

/** Jupyter, and what notebooks in TypeScript need of it. */
export const jupyterPins: readonly string[] = [
  'jupyterlab==4.6.6',
  'nbconvert==7.17.2',
  'nbclient==0.11.0',
  'ipykernel==7.4.0',
  'plotly==7.1.0',
]

export interface VenvPlace {
  /** Outlives the process. */
  readonly cacheDir: string
  /** For the log of the installation. */
  readonly scratchDir: string
  readonly signal?: AbortSignal
}

export const venvFolder = (name: string, { cacheDir }: Pick<VenvPlace, 'cacheDir'>): string =>
  join(cacheDir, `${name}-venv`)

/** True if nothing is left to do. */
export function isVenvComplete(
  name: string,
  pins: readonly string[],
  place: Pick<VenvPlace, 'cacheDir'>,
): boolean {
  const complete = join(venvFolder(name, place), 'complete')
  return existsSync(complete) && readFileSync(complete, 'utf8') === contentOf(pins)
}

const contentOf = (pins: readonly string[]): string => `${pins.join('\n')}\n`

/**
 * @returns The folder of the environment; programs are in its `bin`.
 * @throws LakeError `TOOL_MISSING` if Python, its module venv, or the package index cannot be had.
 */
export async function installVenv(name: string, pins: readonly string[], place: VenvPlace): Promise<string> {
  const venv = venvFolder(name, place)
  if (isVenvComplete(name, pins, place)) return venv
  if (!isInstalled('python3')) {
    throw new LakeError('TOOL_MISSING', 'python3 is not installed', { details: { fault: 'no-python' } })
  }
  rmSync(venv, { recursive: true, force: true })
  const { signal } = place
  const options = { logFile: join(place.scratchDir, `${name}-pip.log`), ...(signal && { signal }) }
  await run('python3', ['-m', 'venv', venv], options).catch((error: unknown) => {
    signal?.throwIfAborted()
    throw new LakeError('TOOL_MISSING', `python3 could not make a virtual environment: ${messageOf(error)}`, {
      cause: error,
      details: { fault: 'no-venv' },
    })
  })
  // Python compiles what it loads; compiling all that is installed takes longer than installing it.
  const quick = ['--no-compile', '--disable-pip-version-check', '-q']
  await run(join(venv, 'bin', 'pip'), ['install', ...quick, ...pins], options).catch((error: unknown) => {
    signal?.throwIfAborted()
    throw new LakeError('TOOL_MISSING', `pip could not install ${pins.join(', ')}: ${messageOf(error)}`, {
      cause: error,
      details: { fault: 'no-package-index' },
    })
  })
  writeFileSync(join(venv, 'complete'), contentOf(pins))
  return venv
}
