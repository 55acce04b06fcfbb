/** Repeats a synchronous call for a while, if another process holds the file or has just dropped it. */
import { systemClock } from '../base/clock.ts'
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { isBusy } from '../sqlite/connection.ts'
import { SegmentGone } from './segments/open-segments.ts'
import { damaged, fromSqlite } from './sqlite-failure.ts'

const busyForMs = 30_000
/** In attempts, not in time: a process that was held up has not looked again yet. */
const mostGone = 100

/**
 * What `call` returns, once no other connection is in its way.
 *
 * @param operation what is tried on `path`, for the message: `append to`.
 * @throws LakeError `EVENTLOG_UNAVAILABLE` when another process does not let go, `LOG_CORRUPT` when a segment's
 * file stays away, and what `fromSqlite` says.
 */
export async function attempt<T>(
  operation: string,
  path: string,
  call: () => T,
  { signal }: IoOptions = {},
): Promise<T> {
  const startMs = performance.now()
  for (let timesGone = 0; ; ) {
    signal?.throwIfAborted()
    try {
      return call()
    } catch (error) {
      if (error instanceof SegmentGone) {
        timesGone++
        if (timesGone === mostGone) throw damaged(path, error.file, error)
      } else if (!isBusy(error)) throw fromSqlite(error, operation, path)
      else if (performance.now() - startMs > busyForMs) {
        throw new LakeError(
          'EVENTLOG_UNAVAILABLE',
          `${operation} ${path}: another process has held the file for ${busyForMs / 1_000} s`,
          { details: { fault: 'file-held' }, cause: error },
        )
      }
      await systemClock.sleep(1 + Math.random() * 10, { signal })
    }
  }
}
