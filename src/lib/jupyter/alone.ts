/** One at a time, over all processes: for installs and builds that several scripts may come to at once. */
import { systemClock } from '../base/clock.ts'
import { acquireProcessLock } from '../sqlite/process-lock.ts'

export interface AloneOptions {
  /** Told once, when another process is at it. */
  readonly say: (line: string) => void
  /** Aborting ends the wait with the signal's reason; work that has begun is the caller's. */
  readonly signal: AbortSignal
}

/** Runs `work` under the lock at this path, which dies with its process. */
export async function alone<T>(
  lock: string,
  { say, signal }: AloneOptions,
  work: () => Promise<T>,
): Promise<T> {
  for (let hasSaid = false; ; hasSaid = true) {
    const outcome = await acquireProcessLock(lock)
    if (outcome.kind === 'acquired') {
      await using _lock = outcome.lock
      return await work()
    }
    if (!hasSaid) say(`Waiting for process ${outcome.holder?.pid ?? '(unknown)'}, which installs`)
    await systemClock.sleep(500, { signal })
  }
}
