/** The command line run in the test's own process, on a home of its own. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { endServer } from '../lib/clickhouse-server/launch.ts'
import { runCli } from './run-cli.ts'

export interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface CliHome extends AsyncDisposable {
  readonly path: string
  lake(...argv: readonly string[]): Promise<Ran>
  /** What the command writes to stdout, as bytes. */
  stdoutBytes(...argv: readonly string[]): Promise<Buffer>
}

export async function openCliHome(env: Readonly<Record<string, string>> = {}): Promise<CliHome> {
  const path = await mkdtemp(join(tmpdir(), 'lakeshore-cli-'))
  const run = async (argv: readonly string[]) => {
    const [stdout, stderr] = [new Collected(), new Collected()]
    const { signal } = new AbortController()
    const exitCode = await runCli(argv, {
      env: { LAKE_HOME: path, DUCKDB_THREADS: '1', ...env },
      stdout,
      stderr,
      signal,
    })
    return { exitCode, stdout, stderr }
  }
  return {
    path,
    lake: async (...argv) => {
      const { exitCode, stdout, stderr } = await run(argv)
      return { exitCode, stdout: stdout.text, stderr: stderr.text }
    },
    stdoutBytes: async (...argv) => (await run(argv)).stdout.bytes,
    [Symbol.asyncDispose]: async () => {
      // A command leaves its ClickHouse for the next one: in a folder that goes, it would write on.
      await endServer(path)
      await rm(path, { recursive: true, force: true })
    },
  }
}

export class Collected extends Writable {
  text = ''
  bytes = Buffer.alloc(0)

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    this.bytes = Buffer.concat([this.bytes, chunk])
    done()
  }
}
