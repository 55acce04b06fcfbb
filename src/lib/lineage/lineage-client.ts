/** Sends events to an OpenLineage receiver, in their order, beside the work: it holds up nothing, and fails nothing. */
import type { Clock } from '../base/clock.ts'
import { messageOf, systemCode } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { RunEvent } from './run-event.ts'

export interface LineageClient {
  emit(event: RunEvent): void
  /** Resolves when all was sent, or has failed, or after a few seconds. Never rejects. */
  flush(): Promise<void>
}

export interface LineageClientOptions {
  /** Without the path of the API. */
  readonly url: string
  readonly apiKey?: string | undefined
  readonly clock: Clock
  readonly logger: Logger
  /** Of one event. */
  readonly timeoutMs?: number
  readonly flushMs?: number
}

export function createLineageClient({
  url,
  apiKey,
  clock,
  logger,
  timeoutMs = 5_000,
  flushMs = 3_000,
}: LineageClientOptions): LineageClient {
  const endpoint = `${url.replace(/\/+$/, '')}/api/v1/lineage`
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
  }
  let sending: Promise<void> = Promise.resolve()
  let hasWarned = false

  async function send(event: RunEvent): Promise<void> {
    try {
      const response = await fetch(endpoint, {
        method: 'POST',
        headers,
        body: JSON.stringify(event),
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
      })
      await response.body?.cancel()
      if (response.ok) return
      warn(`it answers ${response.status}`)
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined
      warn(systemCode(cause) ?? messageOf(cause ?? error))
    }
  }
  function warn(problem: string): void {
    // Once: the run goes on, and the next event fails alike.
    if (!hasWarned) logger.warn({ problem, url }, 'Lineage could not be sent; the run goes on without it')
    hasWarned = true
  }

  return {
    emit: (event) => {
      sending = sending.then(() => send(event))
    },
    async flush() {
      const stop = new AbortController()
      const late = clock.sleep(flushMs, { signal: stop.signal }).catch(() => undefined)
      await Promise.race([sending, late])
      stop.abort()
    },
  }
}
