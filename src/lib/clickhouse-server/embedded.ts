/** A client of the embedded server. The server is found or started on demand, and runs as long as a client is open. */
import type { Clock } from '../base/clock.ts'
import type { IoOptions } from '../base/io.ts'
import type { Logger } from '../base/log.ts'
import type { ClickHouse } from '../clickhouse/clickhouse.ts'
import { openClickHouse } from '../clickhouse/client.ts'
import type { Endpoint } from './endpoint.ts'
import { findOrStart, isAlive, type LaunchOptions } from './launch.ts'

export interface EmbeddedOptions extends IoOptions, LaunchOptions {
  /** The folder that the server serves: its data lie in `<home>/clickhouse`. */
  readonly home: string
  /** Default `default`. */
  readonly database?: string
  readonly logger?: Logger
  readonly clock?: Clock
}

/**
 * Aborting `signal` gives up opening; it has no effect on the open client.
 *
 * @throws LakeError `CLICKHOUSE_UNAVAILABLE` when no server answers in time.
 */
export function openEmbeddedClickHouse({ home, ...options }: EmbeddedOptions): Promise<ClickHouse> {
  let newest: Endpoint | undefined
  return openClickHouse({
    ...options,
    finder: {
      find: async ({ signal }) => {
        newest = await findOrStart(home, { ...options, signal })
        return newest
      },
      touch: async () => void (newest && (await isAlive(newest))),
      touchEveryMs: Math.ceil((options.idleMs ?? 60_000) / 4),
    },
  })
}
