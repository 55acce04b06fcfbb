/**
 * A batch that stops before each step of the publication model until it is told to go on, and that can die there: as a
 * process does that is killed, or that sleeps until its lease is lost, while its request is on the way.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../../lib/base/log.ts'
import type { ClickHouse } from '../../../lib/clickhouse/clickhouse.ts'
import { createDuckDbCompute } from '../../../lib/compute/compute.duckdb.ts'
import { append, DeltaTable } from '../../../lib/delta/index.ts'
import type { DuckDb } from '../../../lib/duckdb/duckdb.ts'
import type { Lease } from '../../../lib/runs/leases.ts'
import type { RunStore } from '../../../lib/runs/run-store.ts'
import { HookedStore } from '../../../lib/storage/store.hooked.ts'
import { openLocalStore } from '../../../lib/storage/store.local.ts'
import { checksOf, type TableCheck } from '../../model/checks.ts'
import { type LakeTable, lakeTableNames, lakeTables } from '../../model/tables.ts'
import type { BatchContext } from '../batch.ts'
import { runRecordedBatch } from '../recorded.ts'
import { type Step, steps } from './model.fixture.ts'

export interface Lake {
  readonly folder: string
  readonly duckdb: DuckDb
  readonly clickhouse: ClickHouse
  readonly store: RunStore
  /** Versions of bronze of which the last gold table fails its check. */
  readonly bad: ReadonlySet<number>
}

/** What stops before each step. */
export interface Gates {
  /** Resolves when the step may be made. */
  before(step: Step): void | Promise<void>
  /** The step was made. */
  after(step: Step): void
  /** Before any other call. Throws in a process that is dead. */
  alive(): void
}

/** What is committed to the tables of the model. */
const commits: Readonly<Partial<Record<LakeTable, Step>>> = {
  'silver/events': 'commit-silver',
  'gold/daily_active_users': 'commit-gold-a',
  'gold/purchases_per_page_daily': 'commit-gold-b',
}
export const tasks: Readonly<Partial<Record<Step, string>>> = {
  'commit-silver': 'bronze_to_silver',
  'commit-gold-a': 'silver_to_gold_dau',
  'commit-gold-b': 'silver_to_gold_purchases_page',
}

export const open: Gates = { before: () => undefined, after: () => undefined, alive: () => undefined }

/** The tables as one process sees them. */
export function tablesOf({ folder, duckdb }: Lake, { before, after, alive }: Gates = open) {
  const tables = new Map<LakeTable, DeltaTable>()
  return (name: LakeTable): DeltaTable => {
    const stepOf = (call: string, key: string): Step | undefined =>
      call === 'putIfAbsent' && /^_delta_log\/\d+\.json$/.test(key) ? commits[name] : undefined
    const store = new HookedStore(openLocalStore(join(folder, name)), {
      before: async (call, key) => {
        alive()
        const step = stepOf(call, key)
        if (step !== undefined) await before(step)
      },
      after: (call, key) => {
        const step = stepOf(call, key)
        if (step !== undefined) after(step)
      },
    })
    const table = tables.get(name) ?? new DeltaTable({ store, duckdb })
    tables.set(name, table)
    return table
  }
}

function clickhouseOf({ clickhouse }: Lake, { before, after, alive }: Gates): ClickHouse {
  return {
    ...clickhouse,
    query: async (...call) => {
      alive()
      return (await clickhouse.query(...call)) as never
    },
    command: async (...call) => {
      alive()
      await clickhouse.command(...call)
    },
    insertFile: async (...call) => {
      alive()
      await clickhouse.insertFile(...call)
    },
    insert: async (table, ...call) => {
      alive()
      const isSwitch = table === 'serving.loads'
      if (isSwitch) await before('switch-load')
      // What was sent arrives, whatever has become of the sender.
      await clickhouse.insert(table, ...call)
      if (isSwitch) after('switch-load')
    },
  }
}

/** @param onLease is told the lease of the run. */
function storeOf({ store }: Lake, { before, after }: Gates, onLease: (lease: Lease) => void): RunStore {
  return {
    ...store,
    leases: {
      ...store.leases,
      async withLease(name, work, options) {
        await before('take-lease')
        return store.leases
          .withLease(
            name,
            async (held) => {
              onLease(held.lease)
              after('take-lease')
              await before('pin-bronze')
              after('pin-bronze')
              const done = await work(held)
              await before('release-lease')
              return done
            },
            options,
          )
          .finally(() => after('release-lease'))
      },
    },
    releases: {
      ...store.releases,
      async publish(release, { lease } = {}) {
        await before('publish-release')
        const published = await store.releases.publish(release, { lease })
        after('publish-release')
        return published
      },
    },
  }
}

/** Runs a batch between these gates. */
export async function runBetween(
  lake: Lake,
  gates: Gates,
  { onLease = () => undefined, onTask = () => undefined }: RunHooks = {},
): Promise<string> {
  // Asked when the table is made: bronze may have grown since the run began.
  const notBad = (): TableCheck => ({
    severity: 'fail',
    expectation: {
      kind: 'condition',
      name: 'not bad',
      sql: `purchase_count not in (${['-1', ...lake.bad].join(', ')})`,
    },
  })
  const { duckdb } = lake
  const context: BatchContext = {
    table: tablesOf(lake, gates),
    duckdb,
    compute: createDuckDbCompute(duckdb),
    clickhouse: async () => {
      await gates.before('pin-gold')
      gates.after('pin-gold')
      return clickhouseOf(lake, gates)
    },
    temporaryDirectory: tmpdir(),
    checksOf: (table) => [
      ...checksOf(table),
      ...(table === 'gold/purchases_per_page_daily' ? [notBad()] : []),
    ],
    logger: silentLogger,
  }
  const { kind } = await runRecordedBatch(context, storeOf(lake, gates, onLease), {
    trigger: 'manual',
    onEvent: (event) => {
      if (event.kind === 'node-ended') onTask(event.outcome.node)
    },
  })
  return kind
}

export interface RunHooks {
  readonly onLease?: (lease: Lease) => void
  readonly onTask?: (task: string) => void
}

/** All tables, empty. */
export async function makeTables(lake: Lake): Promise<void> {
  const table = tablesOf(lake)
  for (const name of lakeTableNames) await table(name).createIfMissing(lakeTables[name])
}

/** Version `n` of bronze: one more purchase, by one more user. */
export async function growBronze(lake: Lake, n: number): Promise<void> {
  const at = "timestamptz '2026-11-20 10:00:00+00'"
  const select = `select 'e${n}' as event_id, ${n}::bigint as user_id, 'purchase' as event_type, '/cart' as page,
    ${at} as "timestamp", 'web' as source, date '2026-11-20' as event_date, 'user-events' as kafka_topic,
    0 as kafka_partition, ${n}::bigint as kafka_offset, ${at} as kafka_timestamp, ${at} as ingested_at`
  await lake.duckdb.use((session) => append(tablesOf(lake)('bronze/events'), { session, select }))
}

/** Of which version of bronze what readers see was made, by two gold tables. */
export interface Seen {
  readonly a: number
  readonly b: number
}

export async function seenInClickHouse({ clickhouse }: Pick<Lake, 'clickhouse'>): Promise<Seen> {
  const [row] = await clickhouse.query<Seen>(
    `SELECT (SELECT toUInt32(sum(dau_count)) FROM serving.daily_active_users) AS a,
       (SELECT toUInt32(sum(purchase_count)) FROM serving.purchases_per_page_daily) AS b`,
  )
  return { a: Number(row?.a), b: Number(row?.b) }
}

/** As `lake sql`, notebooks and the API resolve a release. */
export async function seenByRelease(lake: Lake): Promise<Seen & { readonly id: number }> {
  const release = await lake.store.releases.newest()
  const sum = async (name: LakeTable, column: string): Promise<number> => {
    const version = release?.tables[name]?.version
    if (version === undefined) return 0
    const table = tablesOf(lake)(name)
    return lake.duckdb.use(async (session) => {
      const scan = await table.scan(session, await table.snapshot({ version }))
      return Number((await session.row(`select coalesce(sum(${column}), 0) as n from (${scan})`))['n'])
    })
  }
  return {
    id: release?.id ?? 0,
    a: await sum('gold/daily_active_users', 'dau_count'),
    b: await sum('gold/purchases_per_page_daily', 'purchase_count'),
  }
}

class Killed extends Error {}

/** One run, driven step by step. */
export class DrivenRun {
  readonly #waiting = new Map<Step, { go: () => void; die: () => void }>()
  readonly #ended = new Set<string>()
  #allowed = -1
  #arrivesLate: Step | undefined
  #isDead = false
  #isLate = false
  #hasEnded = false
  #changed: () => void = () => undefined
  #lease: Lease | undefined
  readonly #lake: Lake

  constructor(lake: Lake) {
    this.#lake = lake
    const gates: Gates = {
      before: (step) => this.#before(step),
      after: (step) => this.#after(step),
      alive: () => this.#alive(),
    }
    void runBetween(lake, gates, {
      onLease: (lease) => {
        this.#lease = lease
      },
      onTask: (task) => {
        this.#ended.add(task)
        this.#changed()
      },
    })
      .catch((error: unknown) => {
        if (!this.#isLate) this.problem = error
      })
      .finally(() => {
        this.#hasEnded = true
        this.#changed()
      })
  }

  /** Why it ended, if nobody wanted it to. */
  problem: unknown

  #before(step: Step): void | Promise<void> {
    this.#alive()
    if (steps.indexOf(step) <= this.#allowed) return
    return new Promise((go, reject) => {
      this.#waiting.set(step, { go, die: () => reject(new Killed()) })
      this.#changed()
    })
  }

  #after(step: Step): void {
    if (step !== this.#arrivesLate) return
    this.#isDead = true
    throw new Killed()
  }

  #alive(): void {
    if (this.#isDead) throw new Killed()
  }

  /** Makes a step, if the run has it to make, and goes on to the next one. */
  async make(step: Step): Promise<void> {
    this.#allowed = steps.indexOf(step)
    this.#release()
    const task = tasks[step]
    await this.#until(() => {
      const waitsLater = [...this.#waiting.keys()].some((at) => steps.indexOf(at) > this.#allowed)
      return task === undefined ? waitsLater : this.#ended.has(task)
    })
  }

  /** From now on nobody waits for it: what it does beside its next step may find that the lease is lost. */
  beLate(): void {
    this.#isLate = true
  }

  /** Never makes a step more. */
  async kill(): Promise<void> {
    this.#isLate = true
    this.#isDead = true
    for (const { die } of this.#waiting.values()) die()
    this.#waiting.clear()
    await this.#until(() => false)
  }

  /** What it has sent for this step is made; it does nothing more. */
  async arriveLate(step: Step): Promise<void> {
    if (!this.#waiting.has(step)) return this.kill()
    this.#arrivesLate = step
    for (const [at, { die }] of this.#waiting) if (at !== step) die()
    this.#allowed = steps.indexOf(step)
    this.#release()
    await this.#until(() => false)
  }

  /** Its lease ends, as that of a process that does not renew it: the process does not know. */
  async loseLease(): Promise<void> {
    if (this.#lease !== undefined) await this.#lake.store.leases.release(this.#lease)
  }

  #release(): void {
    for (const [at, { go }] of this.#waiting) {
      if (steps.indexOf(at) > this.#allowed) continue
      this.#waiting.delete(at)
      go()
    }
  }

  async #until(isDone: () => boolean): Promise<void> {
    while (!this.#hasEnded && !isDone()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }
}
