/**
 * How a cell asks something: an interrupt of the kernel (SIGINT) ends the work, and a failure is shown in three lines
 * (what failed, where, how to fix it) instead of a stack, whose lines are those of the compiled cell.
 */
import { inspect } from 'node:util'
import { hintOf } from '../hints/hints.ts'
import { knownFailure, oneLine, pointedLine } from '../hints/told.ts'
import { LakeError } from '../lib/base/errors.ts'
import { showProgress } from './progress.ts'

/** A failure with a known fix. Printed, it is its three lines; `cause` is the error as it was. */
export class CellError extends LakeError {
  readonly #lines: string

  /** @param call What the cell has called: `lake.sql`. */
  constructor(failure: LakeError, call: string) {
    super(failure.code, failure.message, { details: failure.details, cause: failure })
    const pointed = pointedLine(failure.message)
    this.#lines = [
      `${failure.code}: ${oneLine(failure.message)}`,
      `  in ${call}${pointed === undefined ? '' : `, line ${pointed.line} of the SQL: ${pointed.text}`}`,
      `  → ${hintOf(failure)}`,
    ].join('\n')
    // Read once before it is replaced: by then the kernel has noted the line of the cell.
    void this.stack
    this.stack = this.#lines
  }

  [inspect.custom](): string {
    // Not the stack: Node puts the source of a compiled cell before that.
    return this.#lines
  }
}

let percent = (): number | undefined => undefined

/** From now on bars below cells say how far `of` is, from 0 to 100. */
export function followProgress(of: () => number | undefined): void {
  percent = of
}

/** What cells wait for. Only meanwhile is SIGINT ours: otherwise it does what the program does with it. */
const running = new Set<AbortController>()

function interrupt(): void {
  const reason = new LakeError('INTERRUPTED', 'The cell was interrupted')
  for (const controller of running) controller.abort(reason)
}

/**
 * @param work Ends when its signal is aborted.
 * @throws CellError for a failure that has a fix, any other error as it is.
 */
export async function ask<T>(call: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  // A kernel runs the first part of a cell so that SIGINT breaks it off (`breakOnSigint` of node:vm). A listener added
  // meanwhile is lost when that part ends, and the next interrupt kills the kernel.
  await Promise.resolve()
  if (running.size === 0) process.on('SIGINT', interrupt)
  running.add(controller)
  using _progress = showProgress(call, percent)
  try {
    return await work(controller.signal)
  } catch (error) {
    throw inCell(error, call)
  } finally {
    running.delete(controller)
    if (running.size === 0) process.off('SIGINT', interrupt)
  }
}

/** The same for a function that answers at once. */
export function calling<Arguments extends unknown[], Answer>(
  call: string,
  work: (...given: Arguments) => Answer,
): (...given: Arguments) => Answer {
  return (...given) => {
    try {
      return work(...given)
    } catch (error) {
      throw inCell(error, call)
    }
  }
}

function inCell(error: unknown, call: string): unknown {
  const failure = knownFailure(error)
  return failure === undefined || error instanceof CellError ? error : new CellError(failure, call)
}
