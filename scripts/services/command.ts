/** Child processes of the harness: commands that end, servers that do not, and how to wait for the latter. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { MissingTool } from './service.ts'

export function isInstalled(command: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', command], { stdio: 'ignore' }).status === 0
}

/** @throws MissingTool with the mend, when `command` is not on the path. */
export function requireTool(command: string, mend: string): void {
  if (!isInstalled(command)) throw new MissingTool(`${command} is not installed: ${mend}`)
}

/** The last lines of a log, for an error message. */
export function tailOf(logFile: string, lines = 15): string {
  return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
}

export interface CommandOptions {
  /** All output goes here, at its end. */
  readonly logFile: string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly input?: string
}

/** Runs to the end; an exit code other than 0 throws with the end of the log. */
export async function run(
  command: string,
  args: readonly string[],
  { logFile, env, cwd, input }: CommandOptions,
): Promise<void> {
  const log = openSync(logFile, 'a')
  try {
    const child = spawn(command, args, {
      stdio: [input === undefined ? 'ignore' : 'pipe', log, log],
      env: { ...process.env, ...env },
      cwd,
    })
    if (input !== undefined) child.stdin?.end(input)
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', resolve)
    })
    if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${code}\n${tailOf(logFile)}`)
  } finally {
    closeSync(log)
  }
}

export interface Server {
  readonly child: ChildProcess
  readonly logFile: string
  /** SIGTERM, and SIGKILL after ten seconds; resolves when the server has ended. */
  stop(): Promise<void>
}

/** Starts a server in a process group of its own, so that Ctrl-C reaches it only through us, and in order. */
export function startServer(
  command: string,
  args: readonly string[],
  { logFile, env }: CommandOptions,
): Server {
  const log = openSync(logFile, 'a')
  const child = spawn(command, args, {
    stdio: ['ignore', log, log],
    env: { ...process.env, ...env },
    detached: true,
  })
  closeSync(log)
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  return {
    child,
    logFile,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      const deadline = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await ended
      clearTimeout(deadline)
    },
  }
}

/** Polls until `isReady`; throws with the server's last words when it ends before, or takes too long. */
export async function untilReady(
  name: string,
  { child, logFile }: Server,
  isReady: () => Promise<boolean>,
  timeoutMs = 180_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`${name} ended while it started\n${tailOf(logFile)}`)
    }
    if (await isReady()) return
    if (Date.now() > deadline)
      throw new Error(`${name} was not ready within ${timeoutMs / 1000} s\n${tailOf(logFile)}`)
    await sleep(100)
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
