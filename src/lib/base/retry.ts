/** Retrying of what the error catalogue calls retryable: exponential delays, each cut at random by up to a half. */
import { type Clock, systemClock } from './clock.ts'
import { isLakeError } from './errors.ts'
import type { IoOptions } from './io.ts'

export interface RetryOptions extends IoOptions {
  /** Attempts in all, the first one included. */
  readonly maxAttempts?: number
  readonly firstDelayMs?: number
  readonly maxDelayMs?: number
  readonly clock?: Clock
  readonly random?: () => number
  readonly isRetryable?: (error: unknown) => boolean
  /** Told before each wait, so that nobody waits in silence. */
  readonly onRetry?: (error: unknown, attempt: number, delayMs: number) => void
}

/** Runs `operation` until it succeeds, fails for good, is aborted, or has had its attempts. */
export async function retry<T>(
  operation: (attempt: number) => Promise<T>,
  {
    signal,
    maxAttempts = 5,
    firstDelayMs = 50,
    maxDelayMs = 5_000,
    clock = systemClock,
    random = Math.random,
    isRetryable = (error) => isLakeError(error) && error.retryable,
    onRetry,
  }: RetryOptions = {},
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    try {
      return await operation(attempt)
    } catch (error) {
      if (attempt >= maxAttempts || !isRetryable(error)) throw error
      const delayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** (attempt - 1)) * (0.5 + random() / 2)
      onRetry?.(error, attempt, delayMs)
      await clock.sleep(delayMs, { signal })
    }
  }
}
