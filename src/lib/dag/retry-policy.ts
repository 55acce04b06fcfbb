/**
 * When a node that failed is tried again: by the code of its error, after a delay that grows, with full jitter.
 *
 * A failure of the data fails again however often it is tried, so its codes are not retryable in the catalogue.
 */
import { isLakeError } from '../base/errors.ts'

export interface RetryPolicy {
  /** Attempts in all, the first one included. */
  readonly maxAttempts: number
  /** The longest delay before the second attempt; it doubles with each attempt after that. */
  readonly firstDelayMs: number
  readonly maxDelayMs: number
}

export const noRetries: RetryPolicy = { maxAttempts: 1, firstDelayMs: 0, maxDelayMs: 0 }

/**
 * How long to wait after `attempt` failed with `error`; `undefined` if it is not tried again.
 *
 * @param random From 0 to 1, 1 left out.
 */
export function delayBeforeRetry(
  { maxAttempts, firstDelayMs, maxDelayMs }: RetryPolicy,
  error: unknown,
  attempt: number,
  random: () => number,
): number | undefined {
  if (attempt >= maxAttempts || !isLakeError(error) || !error.retryable) return undefined
  return Math.round(Math.min(maxDelayMs, firstDelayMs * 2 ** (attempt - 1)) * random())
}
