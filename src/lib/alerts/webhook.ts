/** Sends messages to a webhook. Its address is a secret: no error says it, and no redirect is followed. */
import type { Clock } from '../base/clock.ts'
import { LakeError, messageOf, systemCode } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { retry } from '../base/retry.ts'
import type { SlackMessage } from './slack-message.ts'

export interface Webhook {
  /**
   * Resolves when the receiver has taken the message, which it may get twice where its answer was lost.
   * @throws LakeError `WEBHOOK_UNAVAILABLE` after a few attempts, `WEBHOOK_REFUSED` at once.
   */
  send(message: SlackMessage, options?: IoOptions): Promise<void>
}

export interface WebhookOptions {
  readonly url: string
  readonly clock: Clock
  readonly maxAttempts?: number
  /** Of one attempt. */
  readonly timeoutMs?: number
}

export function createWebhook({ url, clock, maxAttempts = 3, timeoutMs = 5_000 }: WebhookOptions): Webhook {
  return {
    send: (message, { signal } = {}) =>
      retry(() => post(url, message, timeoutMs, signal), {
        clock,
        signal,
        maxAttempts,
        firstDelayMs: 500,
      }),
  }
}

async function post(
  url: string,
  message: SlackMessage,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const timeout = AbortSignal.timeout(timeoutMs)
  let status: number
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify(message),
      redirect: 'manual',
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    })
    status = response.status
    await response.body?.cancel()
  } catch (error) {
    signal?.throwIfAborted()
    const why = timeout.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error)
    throw new LakeError('WEBHOOK_UNAVAILABLE', `Webhook: ${why}`)
  }
  if (status >= 200 && status < 300) return
  const isPassing = status === 429 || status >= 500
  throw new LakeError(
    isPassing ? 'WEBHOOK_UNAVAILABLE' : 'WEBHOOK_REFUSED',
    `Webhook: expected an answer of 200, got ${status}`,
    { details: { status } },
  )
}

/** The code alone, such as `ECONNREFUSED`: a text of the system's has the address in it. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  return (
    systemCode(cause) ??
    systemCode(error) ??
    (messageOf(error) === 'fetch failed' ? 'it failed' : 'no connection')
  )
}
