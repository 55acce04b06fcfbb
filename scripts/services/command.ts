/** Child processes of the harness: commands that end, servers that do not, and how to wait for the latter. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isInstalled, tailOf } from '../../src/lib/jupyter/command.ts'
import { MissingTool } from './service.ts'

export { freePort, isInstalled, run, tailOf } from '../../src/lib/jupyter/command.ts'

/** @throws MissingTool that says how to install it, when `command` is not on the path. */
export function requireTool(command: string, mend: string): void {
  if (!isInstalled(command)) throw new MissingTool(`${command} is not installed: ${mend}`)
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
  { logFile, env }: { readonly logFile: string; readonly env?: Readonly<Record<string, string>> },
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
