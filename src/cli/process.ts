/**
 * The command line as a process: signals, standard streams and the exit code.
 *
 * The first SIGINT or SIGTERM asks the command to end in order; the second, or ten seconds, end it at once, with 130 or
 * 143. A process of its own kills us if even that does not end us. Signals that come with the first count as one: a
 * Ctrl-C reaches us from the terminal, and again from npm and tsx, which pass it on.
 */
import { spawn } from 'node:child_process'
import { setMaxListeners } from 'node:events'
import { constants } from 'node:os'
import { systemClock } from '../lib/base/clock.ts'
import { LakeError } from '../lib/base/errors.ts'
import { runCli } from './run-cli.ts'

/** Runs the command and ends the process with its exit code. */
export async function runProcess(argv: readonly string[]): Promise<never> {
  const controller = new AbortController()
  // Each stage of `lake up` listens, and whatever it waits for; past ten, Node would warn of a leak.
  setMaxListeners(100, controller.signal)
  let firstMs: number | undefined
  const interrupt = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now()
    if (firstMs !== undefined && nowMs - firstMs > sameKeystrokeMs) endAtOnce(signal)
    if (firstMs !== undefined) return
    firstMs = nowMs
    setTimeout(() => endAtOnce(signal), mostEndingMs).unref()
    killAfter(mostEndingMs + leftToExitMs)
    controller.abort(new LakeError('INTERRUPTED', `Interrupted by ${signal}`))
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  // The reader of the messages has gone; the work goes on.
  process.stderr.on('error', () => undefined)
  const { stdout, stderr } = process
  const exitCode = await runCli(argv, { stdout, stderr, stdin: process.stdin, signal: controller.signal })
  const written = Promise.all([flushed(stdout), flushed(stderr)])
  await Promise.race([written, patienceAfter(controller.signal)])
  process.exit(exitCode)
}

const patienceMs = 1_000
/** Longer than a stage takes to end in order, which is what it is given before it is ended at once. */
const mostEndingMs = 9_200
const leftToExitMs = 400
const sameKeystrokeMs = 500

/** Node waits at its end for work in its threads, such as a query that cannot be interrupted. */
function endAtOnce(signal: NodeJS.Signals): never {
  killAfter(leftToExitMs)
  process.stderr.write('lake: ended before its work was done\n')
  process.exit(128 + constants.signals[signal])
}

/** Also where our event loop stands still. The killer ends with us, so that it never meets another process of our id. */
function killAfter(waitMs: number): void {
  const script = `(sleep ${waitMs / 1000}; kill -KILL ${process.pid}) & read -r _; kill $!`
  const killer = spawn('sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  killer.on('error', () => undefined)
  killer.stdin.on('error', () => undefined)
  killer.unref()
}

/** A command that was asked to end does not wait for a reader that takes nothing. */
async function patienceAfter(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  }
  await systemClock.sleep(patienceMs)
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || !stream.writable) resolve()
    else stream.write('', () => resolve())
  })
}
