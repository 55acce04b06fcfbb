/**
 * A run from its request to its end: it waits for its turn under a number that everybody sees, holds the lease while it
 * is at work, and ends in order when any process asks for that.
 */
import { type Clock, systemClock } from '../../base/clock.ts'
import { isLakeError, LakeError, messageOf } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { type RunRecorder, recordedError } from '../../dag/recorder.ts'
import type { Lease, LeaseHolder, Leases } from '../leases.ts'
import type { LogBook } from '../log/log-book.ts'
import type { RunBook } from '../run-book.ts'
import { cancelledRun, type QueuedRun, type RunRequest } from './run-queue.ts'

export interface HeldRun {
  readonly lease: Lease
  /** Aborts with the caller's signal, when the lease is lost, and with `RUN_CANCELLED` when somebody asks for its end. */
  readonly signal: AbortSignal
  /** The recorder of this run; `facts` take the place of those of the request. */
  recorder(facts?: Partial<RunRequest>): RunRecorder
}

export interface WithRunOptions extends IoOptions {
  /** Told at once for each run that is waited for, and again when it has a number. */
  readonly onWait?: (holder: LeaseHolder) => void
  /** Lets every other run of the DAG that waits go first. */
  readonly yields?: boolean
  readonly clock?: Clock
}

interface Store {
  readonly runs: RunBook
  readonly leases: Leases
  readonly logs?: LogBook
}

/** How long a request to end a run waits until it is seen, at most. */
const lookMs = 1_000
/** Between two signs of life of a queued run. */
const signOfLifeMs = 5_000

/**
 * One run of a DAG at a time, under a lease of its name. Closes as abandoned what a killed process left.
 *
 * @throws LakeError `RUN_CANCELLED` if somebody asks for its end before its turn has come; what `work` throws.
 */
export async function withRun<T>(
  store: Store,
  request: RunRequest,
  work: (run: HeldRun) => Promise<T>,
  { signal, onWait, yields = false, clock = systemClock }: WithRunOptions = {},
): Promise<T> {
  const { runs, leases, logs } = store
  for (const { id } of await runs.closeOrphans({ signal })) await logs?.rescue(id)
  const queue = new Queue(runs, request, clock)
  const recorderOf = (lease: Lease, started: (id: number) => void, facts?: Partial<RunRequest>) => {
    const { queued } = queue
    const recorder = runs.recorder({ ...request, ...facts, lease, ...(queued && { queued }) })
    return {
      ...recorder,
      runStarted: async (start: Parameters<RunRecorder['runStarted']>[0]) => {
        const id = await recorder.runStarted(start)
        queue.hasBegun = true
        started(id)
        return id
      },
    }
  }
  try {
    return await leases.withLease(
      request.dag,
      ({ lease, signal: leased }) =>
        whileWatched(runs, clock, leased, async ({ signal: watched, started }) => {
          try {
            return await work({
              lease,
              signal: watched,
              recorder: (facts) => recorderOf(lease, started, facts),
            })
          } catch (error) {
            if (!queue.hasBegun && !watched.aborted) {
              await recordFailure(recorderOf(lease, started), error, clock.now())
            }
            throw error
          }
        }),
      {
        wait: true,
        yields,
        signal,
        ...(onWait && { onWait }),
        whileWaiting: () => queue.stay({ signal }),
      },
    )
  } catch (error) {
    await queue.leave(error)
    throw error
  }
}

/** What failed before a task was planned is a run all the same: somebody looks for it in the list. */
async function recordFailure(recorder: RunRecorder, error: unknown, nowMs: number): Promise<void> {
  // Best effort: the error itself goes on to the caller, also if it is that the store does not answer.
  await recorder
    .runStarted({ nodes: [], startedMs: nowMs })
    .then(() => recorder.runEnded({ state: 'failed', endedMs: nowMs, error: recordedError(error) }))
    .catch(() => undefined)
}

/** The place of one run in the queue; it has none as long as it need not wait. */
class Queue {
  queued: QueuedRun | undefined
  hasBegun = false
  readonly #runs: RunBook
  readonly #request: RunRequest
  readonly #clock: Clock
  #seenMs = Number.NEGATIVE_INFINITY

  constructor(runs: RunBook, request: RunRequest, clock: Clock) {
    this.#runs = runs
    this.#request = request
    this.#clock = clock
  }

  /** @throws LakeError `RUN_CANCELLED` */
  async stay({ signal }: IoOptions): Promise<void> {
    const nowMs = this.#clock.now()
    if (this.queued === undefined) {
      this.queued = await this.#runs.queue(this.#request, this.#request.dag, { signal })
    } else if (nowMs - this.#seenMs < signOfLifeMs) {
      if (await this.#runs.isCancelRequested(this.queued.id, { signal })) throw cancelledRun(this.queued.id)
      return
    }
    const state = await this.#runs.stayQueued(this.queued, { signal })
    if (state === 'cancelled') throw cancelledRun(this.queued.id)
    // A machine that slept: the run waits on, and the next look gives it a new number.
    if (state === 'closed') this.queued = undefined
    else this.#seenMs = nowMs
  }

  /** Best effort: without it the run is closed as abandoned, for want of a sign of life. */
  async leave(error: unknown): Promise<void> {
    if (this.queued === undefined || this.hasBegun) return
    const reason = isLakeError(error) ? error : new LakeError('INTERRUPTED', messageOf(error))
    await this.#runs.leaveQueue(this.queued, reason).catch(() => undefined)
  }
}

interface Watched {
  readonly signal: AbortSignal
  /** To be called when the run has a number. */
  started(id: number): void
}

async function whileWatched<T>(
  runs: RunBook,
  clock: Clock,
  signal: AbortSignal,
  work: (watched: Watched) => Promise<T>,
): Promise<T> {
  const asked = new AbortController()
  const done = new AbortController()
  const watching: Promise<void>[] = []
  const watch = async (id: number): Promise<void> => {
    while (!done.signal.aborted) {
      // A store that does not answer says nothing; whether the run may go on without it, its lease decides.
      if (await runs.isCancelRequested(id, { signal: done.signal }).catch(() => false)) {
        asked.abort(cancelledRun(id))
        return
      }
      await clock.sleep(lookMs, { signal: done.signal }).catch(() => undefined)
    }
  }
  try {
    return await work({
      signal: AbortSignal.any([signal, asked.signal]),
      started: (id) => {
        watching.push(watch(id))
      },
    })
  } finally {
    done.abort()
    await Promise.all(watching)
  }
}
