/** Work side by side whose end is waited for, be it good or bad. */

/**
 * As `Promise.all`, but settles when all have ended: after a failure none is still at work on what the caller closes.
 *
 * @throws what the first in the list that failed has thrown.
 */
export async function allEnded<T>(work: readonly Promise<T>[]): Promise<readonly T[]> {
  await Promise.allSettled(work)
  return Promise.all(work)
}
