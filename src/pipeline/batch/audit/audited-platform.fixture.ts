/** A small platform with a run store: two days of events are landed, and no batch has run. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouse } from '../../../lib/clickhouse/clickhouse.ts'
import type { DuckDb } from '../../../lib/duckdb/duckdb.ts'
import { openRunStore, type RunStore } from '../../../lib/runs/run-store.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from '../../reconcile/books.fixture.ts'

export interface AuditedPlatform extends AsyncDisposable {
  /** Without ClickHouse. */
  readonly platform: SmallPlatform
  readonly store: RunStore
}

export async function openAuditedPlatform(duckdb: DuckDb): Promise<AuditedPlatform> {
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-audited-'))
  const store = await openRunStore({ url: `sqlite:${join(folder, 'runs.db')}` })
  const platform = await openSmallPlatform(duckdb, undefined as unknown as ClickHouse)
  await platform.send([...someMessages(150, 1), ...someMessages(60, 2, '2026-11-21')])
  await platform.land()
  return {
    platform,
    store,
    [Symbol.asyncDispose]: async () => {
      await platform[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
