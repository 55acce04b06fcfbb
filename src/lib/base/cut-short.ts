/** Work that did not come to its end: nobody knows its result, and it is done again. */
import { isLakeError } from './errors.ts'

/** The store of its records did not answer, or another process has taken its place. */
export function isCutShort(error: unknown): boolean {
  return isLakeError(error, 'LEASE_LOST', 'RUNSTORE_UNAVAILABLE')
}
