/** One attempt at a node: its work, its time limit, and its log. */
import type { Clock } from '../base/clock.ts'
import { LakeError } from '../base/errors.ts'
import { withAttemptLogger } from '../base/log-scope.ts'
import { type AttemptLog, type AttemptLogs, type AttemptPlace, silentLogs } from './attempt-log.ts'
import type { DagNode, NodeFacts } from './node.ts'

/** How an attempt ended; the facts are also those that a failed one had noted. */
export type Ending = NodeFacts &
  (
    | { readonly kind: 'succeeded' | 'unchanged' | 'cancelled' }
    | { readonly kind: 'failed'; readonly error: unknown }
  )

export interface AttemptSettings {
  readonly timeoutMs?: number
  readonly logs?: AttemptLogs
  readonly clock: Clock
  readonly signal: AbortSignal
}

/**
 * Whatever the node throws becomes its ending; after an abort, that is the cancellation. If the time is over, the node
 * gets the signal and is waited for, so that two attempts at it are never at work at once.
 */
export async function attempt(
  node: DagNode,
  place: AttemptPlace,
  { timeoutMs, logs = silentLogs, clock, signal }: AttemptSettings,
): Promise<Ending> {
  const log = logs.open(place)
  const { logger } = log
  let noted: NodeFacts = {}
  const note = (facts: NodeFacts): void => {
    noted = { ...noted, ...facts }
  }
  const limit = limited(node, node.timeoutMs ?? timeoutMs, clock, signal)
  try {
    logger.info({}, `Attempt ${place.attempt} begins`)
    const result = await withAttemptLogger(logger, () =>
      node.run({ ...place, logger, note, signal: limit.signal }),
    )
    return told({ ...noted, ...result }, log)
  } catch (error) {
    if (signal.aborted) return told({ ...noted, kind: 'cancelled' }, log, signal.reason)
    return told({ ...noted, kind: 'failed', error: limit.exceeded(error) }, log)
  } finally {
    limit.end()
    await log.close()
  }
}

interface Limit {
  readonly signal: AbortSignal
  /** The error of the attempt, whose work threw `error`. */
  exceeded(error: unknown): unknown
  end(): void
}

function limited({ name }: DagNode, timeoutMs: number | undefined, clock: Clock, signal: AbortSignal): Limit {
  const over = new AbortController()
  const ended = new AbortController()
  if (timeoutMs !== undefined) {
    const message = `${name}: expected to end within ${timeoutMs / 1000} s`
    clock.sleep(timeoutMs, { signal: ended.signal }).then(
      () => over.abort(new LakeError('TASK_TIMED_OUT', message, { details: { task: name, timeoutMs } })),
      // Aborted: the work was done in time.
      () => undefined,
    )
  }
  return {
    signal: AbortSignal.any([signal, over.signal]),
    exceeded: (error) => (over.signal.aborted ? over.signal.reason : error),
    end: () => ended.abort(),
  }
}

/** The last line of the log says how the attempt ended. */
function told(ending: Ending, { logger }: AttemptLog, reason?: unknown): Ending {
  const { rowsIn, rowsOut, versionsAfter } = ending
  const facts = {
    ...(rowsIn !== undefined && { rowsIn }),
    ...(rowsOut !== undefined && { rowsOut }),
    ...(versionsAfter !== undefined && { versions: versionsAfter }),
  }
  if (ending.kind === 'failed') logger.error({ ...facts, err: ending.error }, 'The attempt failed')
  else if (ending.kind === 'cancelled') logger.warn({ ...facts, err: reason }, 'The attempt was cancelled')
  else logger.info(facts, `The attempt ended: ${ending.kind}`)
  return ending
}
