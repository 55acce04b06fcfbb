/** A small platform for tests of the books: a log in memory, a lake in a folder, and a ClickHouse that tests share. */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../lib/base/log.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { createDuckDbCompute } from '../../lib/compute/compute.duckdb.ts'
import { MemoryRecorder } from '../../lib/dag/recorder.memory.ts'
import { DeltaTable } from '../../lib/delta/index.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import { createMemoryEventLog, type MemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { openLocalStore } from '../../lib/storage/store.local.ts'
import { type BatchContext, runBatch } from '../batch/batch.ts'
import type { Scope } from '../batch/days.ts'
import { land } from '../landing/landing.ts'
import type { LakeTable } from '../model/tables.ts'
import { runRealtime } from '../realtime/realtime.ts'
import type { BooksContext } from './books.ts'

export interface SmallPlatform extends AsyncDisposable {
  readonly folder: string
  readonly log: MemoryEventLog
  readonly context: BatchContext & BooksContext
  /** Each text is one message, keyed by its number. */
  send(messages: readonly (string | null)[]): Promise<void>
  land(): Promise<void>
  /** @param acceptGap goes on where the log has lost messages before they were counted. */
  realtime(options?: { readonly acceptGap?: boolean }): Promise<void>
  /** @throws what its first task that failed has thrown. */
  batch(scope?: Scope, tasks?: readonly string[]): Promise<void>
  /** The same lake in another folder; log and ClickHouse stay shared. */
  copy(): Promise<SmallPlatform>
}

export async function openSmallPlatform(
  duckdb: DuckDb,
  clickhouse: ClickHouse,
  {
    log = createMemoryEventLog({ topic: 'user-events' }),
    runs = { count: 0 },
    from,
  }: { readonly log?: MemoryEventLog; readonly runs?: RunNumbers; readonly from?: string } = {},
): Promise<SmallPlatform> {
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-books-'))
  if (from !== undefined) await cp(from, folder, { recursive: true, preserveTimestamps: true })
  const tables = new Map<LakeTable, DeltaTable>()
  const context = {
    table: (name: LakeTable) => {
      const table = tables.get(name) ?? new DeltaTable({ store: openLocalStore(join(folder, name)), duckdb })
      tables.set(name, table)
      return table
    },
    duckdb,
    compute: createDuckDbCompute(duckdb),
    clickhouse: async () => clickhouse,
    log: async () => log,
    temporaryDirectory: tmpdir(),
    logger: silentLogger,
  }
  return {
    folder,
    log,
    context,
    send: (messages) =>
      log.append(
        messages.map((message, n) => ({
          key: Buffer.from(`key-${n}`),
          value: message === null ? null : Buffer.from(message),
        })),
      ),
    land: async () => {
      const bronze = { events: context.table('bronze/events'), rejected: context.table('bronze/rejected') }
      await land({ log, tables: bronze, duckdb, triggerMs: 1_000, maxRows: 150, drain: true })
    },
    realtime: async ({ acceptGap = false } = {}) => {
      await runRealtime({ log, clickhouse, duckdb, triggerMs: 1_000, maxRows: 50, drain: true, acceptGap })
    },
    batch: async (scope = { kind: 'changed' }, tasks) => {
      const { nodes } = await runBatch(context, {
        scope,
        ...(tasks && { tasks }),
        recorder: new NumberedRecorder(runs),
      })
      for (const node of nodes) if (node.kind === 'failed') throw node.error
    },
    copy: () => openSmallPlatform(duckdb, clickhouse, { log, runs, from: folder }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

/** Each run of a platform and its copies has a number of its own, as in a run store. */
interface RunNumbers {
  count: number
}

class NumberedRecorder extends MemoryRecorder {
  readonly #runs: RunNumbers

  constructor(runs: RunNumbers) {
    super()
    this.#runs = runs
  }

  override async runStarted(start: Parameters<MemoryRecorder['runStarted']>[0]): Promise<number> {
    await super.runStarted(start)
    return ++this.#runs.count
  }
}

/** What a day of users does: some of it late, delivered again, not valid, or no event. */
export function someMessages(count: number, seed: number, day = '2026-11-20'): readonly (string | null)[] {
  let state = seed
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((state / 2_147_483_648) * below)
  }
  const messages: (string | null)[] = []
  for (let n = 0; messages.length < count; n++) {
    if (n % 23 === 7) messages.push(n % 2 === 0 ? null : '{"torn":')
    const backMs = random(6) === 0 ? random(20 * 60_000) : 0
    const event = JSON.stringify({
      event_id: `${day}-${seed}-${n}`,
      user_id: n % 29 === 11 ? -1 : 1 + random(9),
      event_type: ['login', 'click', 'purchase', 'logout'][random(4)],
      page: ['/home', '/cart', '/search'][random(3)],
      timestamp: new Date(Date.parse(`${day}T10:00:00Z`) + n * 2_000 - backMs).toISOString(),
      source: ['web', 'mobile'][random(2)],
    })
    messages.push(event)
    if (random(9) === 0) messages.push(event)
  }
  return messages.slice(0, count)
}
