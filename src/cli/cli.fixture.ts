/** The command line run in the test's own process, on a home of its own. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { runCli } from './run-cli.ts'

export interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface CliHome extends AsyncDisposable {
  readonly path: string
  lake(...argv: readonly string[]): Promise<Ran>
}

export async function openCliHome(env: Readonly<Record<string, string>> = {}): Promise<CliHome> {
  const path = await mkdtemp(join(tmpdir(), 'lakeshore-cli-'))
  return {
    path,
    lake: async (...argv) => {
      const [stdout, stderr] = [new Collected(), new Collected()]
      const { signal } = new AbortController()
      const exitCode = await runCli(argv, {
        env: { LAKE_HOME: path, DUCKDB_THREADS: '1', ...env },
        stdout,
        stderr,
        signal,
      })
      return { exitCode, stdout: stdout.text, stderr: stderr.text }
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

export class Collected extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}
