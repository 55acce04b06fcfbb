/** Patience with files that other processes hold, or have just dropped: a synchronous call is made again for a while. */
import { systemClock } from '../base/clock.ts'
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { SegmentGone } from './open-segments.ts'
import { fromSqlite, isBusy } from './sqlite.ts'

const busyForMs = 30_000
const goneForMs = 2_000

/**
 * What `call` returns, once no other connection is in its way.
 *
 * @param operation what is tried on `path`, for the message: `append to`.
 * @throws LakeError `EVENTLOG_UNAVAILABLE` when another process does not let go, and what `fromSqlite` says.
 */
export async function attempt<T>(
  operation: string,
  path: string,
  call: () => T,
  { signal }: IoOptions = {},
): Promise<T> {
  const startMs = performance.now()
  for (;;) {
    signal?.throwIfAborted()
    try {
      return call()
    } catch (error) {
      const isOver = performance.now() - startMs > (isBusy(error) ? busyForMs : goneForMs)
      if (!isBusy(error) && !(error instanceof SegmentGone)) throw fromSqlite(error, operation, path)
      if (isOver && isBusy(error))
        throw new LakeError(
          'EVENTLOG_UNAVAILABLE',
          `${operation} ${path}: another process has held the file for ${busyForMs / 1_000} s`,
          { cause: error, hint: 'See which process writes to the event log, and whether it still lives.' },
        )
      if (isOver) throw fromSqlite(error, operation, path)
      await systemClock.sleep(1 + Math.random() * 10, { signal })
    }
  }
}
