/** Programs that are started and waited for, with all that they say in a log. */
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'

export function isInstalled(command: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', command], { stdio: 'ignore' }).status === 0
}

/** The last lines of a log, for an error message. */
export function tailOf(logFile: string, lines = 15): string {
  return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
}

export interface CommandOptions {
  /** All output goes here, at its end. */
  readonly logFile: string
  readonly cwd?: string
  readonly input?: string
  /** Aborting ends the program. */
  readonly signal?: AbortSignal
}

/** Runs to the end; an exit code other than 0 throws with the end of the log. */
export async function run(
  command: string,
  args: readonly string[],
  { logFile, cwd, input, signal }: CommandOptions,
): Promise<void> {
  signal?.throwIfAborted()
  const log = openSync(logFile, 'a')
  try {
    const child = spawn(command, args, {
      stdio: [input === undefined ? 'ignore' : 'pipe', log, log],
      cwd,
    })
    const end = (): void => void child.kill('SIGTERM')
    signal?.addEventListener('abort', end, { once: true })
    if (input !== undefined) child.stdin?.end(input)
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', resolve)
    }).finally(() => signal?.removeEventListener('abort', end))
    signal?.throwIfAborted()
    if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${code}\n${tailOf(logFile)}`)
  } finally {
    closeSync(log)
  }
}

/** A port of the loopback that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (typeof address !== 'object' || address === null) return reject(new Error('No free port'))
      server.close(() => resolve(address.port))
    })
  })
}
