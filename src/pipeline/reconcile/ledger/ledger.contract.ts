import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ClickHouse } from '../../../lib/clickhouse/clickhouse.ts'
import { append, deleteRows, optimize, updateRows } from '../../../lib/delta/index.ts'
import type { DuckDb } from '../../../lib/duckdb/duckdb.ts'
import { createMemoryEventLog } from '../../../lib/eventlog/eventlog.memory.ts'
import { openRunStore, type RunStore } from '../../../lib/runs/run-store.ts'
import { openPlainConnection } from '../../../lib/sqlite/connection.ts'
import { goldTableNames } from '../../model/gold.ts'
import type { LakeTable } from '../../model/tables.ts'
import { type Engines, openEngines } from '../../serving/engines.fixture.ts'
import { keepRows } from '../../serving/serving.fixture.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from '../books.fixture.ts'
import type { Place } from '../books.ts'
import { identityNames } from '../identity-names.ts'
import { summaryOf } from '../summary.ts'
import { auditLedger, type LedgerReport } from './ledger.ts'
import { contentOf, subjectOf } from './recorded-identity.ts'

let duckdb: DuckDb
let engines: Engines
let clickhouse: ClickHouse
let books: SmallPlatform
let folder = ''
beforeAll(async () => {
  engines = await openEngines()
  ;({ duckdb, clickhouse } = engines)
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-ledger-'))
  books = await openSmallPlatform(duckdb, clickhouse)
  await books.send(someMessages(200, 1))
  await books.send(someMessages(100, 2, '2026-11-21'))
  await books.land()
  await books.realtime()
  await books.batch()
})
afterAll(async () => {
  await books[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
  await engines[Symbol.asyncDispose]()
})

let stores = 0
const openStore = (): Promise<RunStore> =>
  openRunStore({ url: `sqlite:${join(folder, `runs-${++stores}.db`)}` })

async function auditOnce(platform: SmallPlatform): Promise<LedgerReport> {
  await using store = await openStore()
  return await auditLedger(platform.context, { ledger: store.ledger })
}

/** Identities that do not hold, as `table day-or-partition`, with what is wrong. */
const faultsOf = ({ identities }: LedgerReport): Readonly<Record<string, string>> =>
  Object.fromEntries(
    identities.flatMap(({ table, date, partition, problem }) =>
      problem === undefined ? [] : [[`${table} ${date ?? partition ?? ''}`.trim(), problem]],
    ),
  )

/** What becomes of one row of a table, in a change that another writer might make. */
const harms = {
  dropped: async ({ context }: SmallPlatform, name: LakeTable, where: string) => {
    await duckdb.use((session) => deleteRows(context.table(name), session, { where }))
  },
  doubled: async ({ context }: SmallPlatform, name: LakeTable, where: string) => {
    const table = context.table(name)
    await duckdb.use(async (session) => {
      const scan = await table.scan(session, await table.snapshot())
      await append(table, { session, select: `select * from (${scan}) where ${where}` })
    })
  },
  changed: async ({ context }: SmallPlatform, name: LakeTable, where: string) => {
    const set = changes[name] ?? {}
    await duckdb.use((session) => updateRows(context.table(name), session, { set, where }))
  },
}

/** A change of each table's rows that leaves their number as it is. */
const changes: Readonly<Partial<Record<LakeTable, Record<string, string>>>> = {
  'bronze/events': { user_id: 'user_id + 1' },
  'silver/events': { user_id: 'user_id + 1' },
  'silver/quarantine': { page: "'/other'" },
  'gold/daily_active_users': { dau_count: 'dau_count + 1' },
  'gold/conversion_rate_daily': { conversion_rate: 'conversion_rate / 2' },
  'gold/events_per_source_daily': { source: "case source when 'web' then 'mobile' else 'web' end" },
  'gold/purchases_per_page_daily': { page: "'/other'" },
}

/** The place of a row of a table, by its number among the table's rows in order, and a condition that finds that row. */
async function someRow(
  name: LakeTable,
  at = 0,
): Promise<{ readonly where: string; readonly place: Place | undefined }> {
  const table = books.context.table(name)
  const [row = {}] = await duckdb.use(async (session) => {
    const scan = await table.scan(session, await table.snapshot())
    return await session.rows(`from (${scan}) order by all limit 1 offset ${at}`)
  })
  if (name.startsWith('gold/')) {
    const rest = Object.keys(row).includes('page') ? `and page = '${row['page']}'` : ''
    return { where: `event_date = date '2026-11-20' ${rest}`, place: undefined }
  }
  const place = { partition: Number(row['kafka_partition']), offset: BigInt(String(row['kafka_offset'])) }
  return { where: `kafka_partition = ${place.partition} and kafka_offset = ${place.offset}`, place }
}

/** Changes of ClickHouse, TABLE standing for the table, and the identity that then does not hold. */
const servedHarms: readonly { readonly table: string; readonly statement: string; readonly told: string }[] =
  [
    // A day that is missing in gold.*.
    {
      table: 'gold.daily_active_users',
      statement: "DELETE FROM TABLE WHERE event_date = '2026-11-20'",
      told: 'gold.daily_active_users 2026-11-20',
    },
    // A day in gold.* that Delta has not.
    {
      table: 'gold.daily_active_users',
      statement: "INSERT INTO TABLE (event_date, dau_count, updated_at) VALUES ('2026-11-25', 3, 0)",
      told: 'gold.daily_active_users 2026-11-25',
    },
    // A changed value in serving.*.
    {
      table: 'serving.purchases_per_page_daily_loads',
      statement:
        "ALTER TABLE TABLE UPDATE purchase_count = purchase_count + 1 WHERE event_date = '2026-11-21'",
      told: 'serving.purchases_per_page_daily 2026-11-21',
    },
    // A doubled row in serving.*.
    {
      table: 'serving.events_per_source_daily_loads',
      statement: "INSERT INTO TABLE SELECT * FROM TABLE WHERE event_date = '2026-11-20' LIMIT 1",
      told: 'serving.events_per_source_daily 2026-11-20',
    },
    // A lost insert of the speed layer.
    {
      table: 'realtime.purchases_per_minute',
      statement: 'DELETE FROM TABLE WHERE offset_from = 0 AND kafka_partition = 0',
      told: 'realtime.purchases_per_minute 0',
    },
    // An insert of the speed layer that was made twice.
    {
      table: 'realtime.events_per_minute',
      statement:
        'INSERT INTO TABLE SELECT * REPLACE (offset_from + 1 AS offset_from) FROM (SELECT * FROM TABLE WHERE kafka_partition = 0 AND offset_from = 0)',
      told: 'realtime.events_per_minute 0',
    },
    // A table of the speed layer that has lost a partition.
    {
      table: 'realtime.late_events',
      statement: 'DELETE FROM TABLE WHERE kafka_partition = 1',
      told: 'realtime.late_events 1',
    },
  ]

const samePlace = (one: Place, other: Place | undefined): boolean =>
  one.partition === other?.partition && one.offset === other.offset

/** @param extent `short` leaves out what repeats a promise in other cases. */
export function describeLedger(extent: 'short' | 'whole'): void {
  describe('auditLedger(context, options)', () => {
    it('balances for what landing, speed layer and batch have made, and counts every message', async () => {
      const report = await auditOnce(books)

      expect(faultsOf(report)).toEqual({})
      expect(report.balanced).toBe(true)
      const landed = report.identities.filter(({ name }) => name === 'log = bronze + rejected')
      expect(landed.reduce((sum, { left }) => sum + left, 0n)).toBe(300n)
      expect(landed.reduce((sum, { right }) => sum + right, 0n)).toBe(300n)
      const days = report.identities.filter(
        ({ name }) => name === 'bronze = silver + duplicates + quarantine',
      )
      expect(days.map(({ date }) => date)).toEqual(['2026-11-20', '2026-11-21'])
    })

    it('finds what it looks for under the names that are declared, and in the order of them', async () => {
      const { identities } = await auditOnce(books)

      // Nothing was released here, and windows are audited by the reconciliation.
      const { released, windows } = identityNames
      const expected = Object.values(identityNames).filter((name) => name !== released && name !== windows)
      expect(summaryOf(identities).map(({ name }) => name)).toEqual(expected)
    })

    const told: readonly [keyof typeof harms, Readonly<Partial<Record<LakeTable, string>>>][] = [
      [
        'dropped',
        {
          'bronze/events': 'offsets are in neither table',
          'bronze/rejected': 'offsets are in neither table',
          'silver/events': 'valid in bronze, and not in silver',
          'silver/quarantine': 'not valid in bronze, and not in quarantine',
        },
      ],
      [
        'changed',
        {
          'bronze/events': 'other values than in bronze',
          'silver/events': 'other values than in bronze',
          'silver/quarantine': 'other values than in bronze',
        },
      ],
      [
        'doubled',
        {
          'bronze/events': 'rows have the offset of another',
          'bronze/rejected': 'rows have the offset of another',
          'silver/events': 'more than once in silver or quarantine',
          'silver/quarantine': 'more than once in silver or quarantine',
        },
      ],
    ]
    it.each(
      extent === 'whole' ? told : told.slice(0, 2),
    )('finds rows that were %s, each by its place', async (harm, tables) => {
      await using harmed = await books.copy()
      const expected: (readonly [LakeTable, Place | undefined, string])[] = []
      for (const [at, [table, words]] of Object.entries(tables).entries()) {
        const name = table as LakeTable
        // A message of its own for each table, so that no place is told for the harm of another.
        const { where, place } = await someRow(name, at)
        await harms[harm](harmed, name, where)
        expected.push([name, place, words])
      }
      expect(new Set(expected.map(([, place]) => `${place?.partition} ${place?.offset}`)).size).toBe(
        expected.length,
      )

      const { balanced, identities } = await auditOnce(harmed)

      expect(balanced).toBe(false)
      for (const [name, place, words] of expected) {
        const told = identities
          .filter(({ places = [] }) => places.some((each) => samePlace(each, place)))
          .map(({ problem }) => problem)
        expect([name, told.join('; ')]).toEqual([name, expect.stringContaining(words)])
      }
    })

    if (extent === 'whole') {
      it.each<keyof typeof harms>([
        'dropped',
        'doubled',
        'changed',
      ])('finds rows that were %s in gold, by table and day', async (harm) => {
        await using harmed = await books.copy()
        for (const metric of goldTableNames) {
          const { where } = await someRow(`gold/${metric}`)
          await harms[harm](harmed, `gold/${metric}`, where)
        }

        const { identities, balanced } = await auditOnce(harmed)

        expect(balanced).toBe(false)
        const faulty = identities.filter(({ problem }) => problem !== undefined)
        expect(faulty.map(({ name: equation, table, date }) => [equation, table, date])).toEqual(
          goldTableNames.map((metric) => ['silver ⇒ gold', `gold/${metric}`, '2026-11-20']),
        )
        for (const { rows } of faulty) expect(rows).not.toEqual([])
      })
    }

    it('finds a row of bronze that stands in the place of another, which leaves their number as it was', async () => {
      await using harmed = await books.copy()
      const { where, place } = await someRow('bronze/events')
      await harms.dropped(harmed, 'bronze/events', where)
      await harms.doubled(harmed, 'bronze/events', where.replace(/kafka_offset = \d+/, 'kafka_offset = 20'))

      const { identities } = await auditOnce(harmed)

      const landed = identities.find(
        ({ problem, name }) => name === 'log = bronze + rejected' && problem !== undefined,
      )
      expect(landed).toMatchObject({ left: landed?.right, partition: place?.partition })
      expect(landed?.places).toContainEqual(place)
    })

    if (extent === 'whole') {
      it('finds two values that were swapped, which leaves every count and sum as it was', async () => {
        await using harmed = await books.copy()
        const { context } = harmed
        const rows = await duckdb.use(async (session) => {
          const table = context.table('silver/events')
          const scan = await table.scan(session, await table.snapshot())
          return await session.rows(
            `select min_by(event_id, kafka_offset) as event_id, min_by(kafka_partition, kafka_offset) as p, min(kafka_offset) as o, page
         from (${scan}) where event_date = date '2026-11-20' group by page order by page limit 2`,
          )
        })
        const [one, other] = rows
        const set = {
          page: `case event_id when '${one?.['event_id']}' then '${other?.['page']}' else '${one?.['page']}' end`,
        }
        const where = `event_id in ('${one?.['event_id']}', '${other?.['event_id']}')`
        await duckdb.use((session) => updateRows(context.table('silver/events'), session, { set, where }))

        const report = await auditOnce(harmed)

        expect(faultsOf(report)['silver/events 2026-11-20']).toBe('2 × other values than in bronze')
        const places = rows.map((row) => ({ partition: Number(row['p']), offset: BigInt(String(row['o'])) }))
        for (const place of places)
          expect(report.identities.flatMap((each) => each.places ?? [])).toContainEqual(place)
      })

      it('finds a second delivery in silver, where the first one is missing', async () => {
        await using harmed = await books.copy()
        const { context } = harmed
        const [first] = await duckdb.use(async (session) => {
          const silver = context.table('silver/events')
          const bronze = context.table('bronze/events')
          const kept = await silver.scan(session, await silver.snapshot())
          const all = await bronze.scan(session, await bronze.snapshot())
          const rows = await session.rows(
            `select kept.kafka_partition as p, kept.kafka_offset as o, event_id from (${kept}) as kept
         where event_id in (select event_id from (${all}) group by event_id having count(*) > 1) order by all limit 1`,
          )
          await append(silver, {
            session,
            select: `select * from (${all}) where event_id = '${rows[0]?.['event_id']}'
          qualify row_number() over (order by kafka_timestamp desc, kafka_offset desc) = 1`,
          })
          return rows
        })

        const report = await auditOnce(harmed)

        expect(Object.values(faultsOf(report)).join('; ')).toContain(
          'another delivery of the same event is in silver too',
        )
        expect(first).toBeDefined()
      })

      it('finds a later delivery in silver in the place of the first', async () => {
        await using harmed = await books.copy()
        const { context } = harmed
        const silver = context.table('silver/events')
        const bronze = context.table('bronze/events')
        const first = await duckdb.use(async (session) => {
          const all = await bronze.scan(session, await bronze.snapshot())
          const found = await session.row(
            `select event_id, min(kafka_partition) as p, min(kafka_offset) as o from (${all})
         where user_id > 0 group by event_id having count(*) > 1 and min(kafka_partition) = max(kafka_partition)
         order by event_id limit 1`,
          )
          const id = `event_id = '${String(found['event_id'])}'`
          await deleteRows(silver, session, { where: id })
          await append(silver, {
            session,
            select: `select * from (${all}) where ${id} order by kafka_offset desc limit 1`,
          })
          return { partition: Number(found['p']), offset: BigInt(String(found['o'])) }
        })

        const { identities } = await auditOnce(harmed)

        const day = identities.find(
          ({ problem, name }) => problem !== undefined && name.startsWith('bronze = silver'),
        )
        expect(day?.problem).toBe('1 × valid in bronze, and not in silver')
        expect(day?.places).toEqual([first])
      })

      it.each<[harm: keyof typeof harms, tables: readonly LakeTable[], row: LakeTable, told: string]>([
        ['changed', ['silver/quarantine'], 'silver/quarantine', '1 × other values than in bronze'],
        [
          'doubled',
          ['bronze/events', 'silver/events'],
          'silver/events',
          '1 × more than once in silver or quarantine; 1 × another delivery of the same event',
        ],
        ['doubled', ['bronze/events', 'silver/quarantine'], 'silver/quarantine', '1 × more than once'],
      ])('finds a row that was %s in %o alone', async (harm, tables, of, words) => {
        await using harmed = await books.copy()
        const { where, place } = await someRow(of)
        for (const table of tables) await harms[harm](harmed, table, where)

        const { identities } = await auditOnce(harmed)

        const day = identities.find(
          ({ problem, name }) => problem !== undefined && name.startsWith('bronze = silver'),
        )
        expect(day?.problem).toContain(words)
        expect(day?.places).toContainEqual(place)
      })

      it('finds a valid row in quarantine', async () => {
        await using harmed = await books.copy()
        const { where, place } = await someRow('silver/events')
        const silver = harmed.context.table('silver/events')
        await duckdb.use(async (session) => {
          const scan = await silver.scan(session, await silver.snapshot())
          await append(harmed.context.table('silver/quarantine'), {
            session,
            select: `select *, ['none'] as reasons from (${scan}) where ${where}`,
          })
          await deleteRows(silver, session, { where })
        })

        const { identities } = await auditOnce(harmed)

        const day = identities.find(
          ({ problem, name }) => problem !== undefined && name.startsWith('bronze = silver'),
        )
        expect(day?.problem).toBe('1 × in quarantine though valid, or in silver though not')
        expect(day?.places).toEqual([place])
      })
    }

    it('finds a release that shows other versions than ClickHouse', async () => {
      await using store = await openStore()
      const tables: Record<string, { version: number; id: string }> = {}
      for (const metric of goldTableNames) {
        const { version, metadata } = await books.context.table(`gold/${metric}`).snapshot()
        tables[`gold/${metric}`] = { version, id: metadata.id }
      }
      const { ledger, releases } = store
      await releases.publish({ runId: 1, tables })
      expect((await auditLedger(books.context, { ledger, releases })).balanced).toBe(true)

      const { version = 0, id = '' } = tables['gold/daily_active_users'] ?? {}
      await releases.publish({
        runId: 2,
        tables: { ...tables, 'gold/daily_active_users': { version: version + 1, id } },
      })

      const report = await auditLedger(books.context, { ledger, releases })
      expect(report.balanced).toBe(false)
      expect(Object.keys(faultsOf(report))).toEqual(['gold/daily_active_users'])
    })

    it('finds what is missing, doubled or changed in ClickHouse, each by table and day or partition', async () => {
      await using store = await openStore()
      const audit = (): Promise<LedgerReport> => auditLedger(books.context, { ledger: store.ledger })
      expect(faultsOf(await audit())).toEqual({})
      await using _kept = await keepRows(clickhouse, [...new Set(servedHarms.map(({ table }) => table))])
      for (const { table, statement } of servedHarms) {
        await clickhouse.command(statement.replaceAll(/(?<!ALTER )\bTABLE\b/g, table), {
          settings: { mutations_sync: 2, lightweight_deletes_sync: 2 },
        })
      }

      const report = await audit()

      expect(report.balanced).toBe(false)
      expect(Object.keys(faultsOf(report)).toSorted()).toEqual(servedHarms.map(({ told }) => told).toSorted())
    })

    const tampering = [
      'UPDATE ledger SET content = replace(content, \'"left":\', \'"left":1\') WHERE sequence = 2',
      'DELETE FROM ledger WHERE sequence = 2',
    ]
    it.each(
      extent === 'whole' ? tampering : tampering.slice(0, 1),
    )('finds an entry of its own that was tampered with: %s', async (statement) => {
      await using store = await openStore()
      await auditLedger(books.context, { ledger: store.ledger })
      const database = openPlainConnection(store.place.replace('SQLite file ', ''), { busyTimeoutMs: 1_000 })
      database.exec(statement)
      database.close()

      const report = await auditLedger(books.context, { ledger: store.ledger })

      expect(report.balanced).toBe(false)
      expect(faultsOf(report)['ledger']).toContain('entry 2')
    })

    it('misses what was audited before and is gone, unless it is of a metric that is none any more', async () => {
      await using store = await openStore()
      const day = { date: '2026-11-20', left: 3n, right: 3n }
      const identities = [
        { name: 'silver ⇒ gold', table: 'gold/logins_per_source_daily', ...day },
        { name: 'gold in Delta = serving in ClickHouse', table: 'serving.logins_per_source_daily', ...day },
        {
          name: 'bronze = silver + duplicates + quarantine',
          table: 'silver/events',
          ...day,
          date: '2026-11-01',
        },
      ]
      await store.ledger.append(
        identities.map((identity) => ({ subject: subjectOf(identity), content: contentOf(identity) })),
      )

      const report = await auditLedger(books.context, { ledger: store.ledger })

      expect(faultsOf(report)).toEqual({
        'silver/events 2026-11-01': 'it was audited before, and is no longer there',
      })
    })

    it('does not read again what has balanced, and reads what has changed since', async () => {
      await using store = await openStore()
      await using platform = await books.copy()
      const steps: string[] = []
      const audit = (): Promise<LedgerReport> => {
        steps.length = 0
        return auditLedger(platform.context, { ledger: store.ledger, onProgress: (step) => steps.push(step) })
      }
      const first = await audit()
      const second = await audit()

      expect(steps).toEqual(['gold in ClickHouse'])
      expect(second.identities.filter(({ table }) => table !== 'ledger')).toEqual(
        expect.arrayContaining(first.identities.filter(({ table }) => table !== 'ledger')),
      )

      await harms.changed(platform, 'silver/events', (await someRow('silver/events')).where)
      expect(faultsOf(await audit())).toMatchObject({
        'silver/events 2026-11-20': '1 × other values than in bronze',
      })

      const rejected = await someRow('bronze/rejected')
      await harms.dropped(platform, 'bronze/rejected', rejected.where)
      const { identities } = await audit()
      const broken = identities.filter((each) => each.name === 'log = bronze + rejected' && each.problem)
      expect(broken.map(({ partition }) => partition)).toEqual([rejected.place?.partition])

      let landed = await someRow('bronze/events')
      for (let at = 1; landed.place?.partition === rejected.place?.partition; at++)
        landed = await someRow('bronze/events', at)
      await harms.dropped(platform, 'bronze/events', landed.where)
      const told = (await audit()).identities.find(
        ({ name, partition }) => name === 'log = bronze + rejected' && partition === landed.place?.partition,
      )
      expect(told?.problem).toBe('offsets are in neither table: 1')
      expect(told?.places).toEqual([landed.place])
    })

    it('does not count rows whose offsets landing has not passed', async () => {
      await using platform = await books.copy()
      const ofLog = ({ identities }: LedgerReport) =>
        identities.filter(({ name }) => name === 'log = bronze + rejected')
      const before = ofLog(await auditOnce(platform))
      const bronze = platform.context.table('bronze/events')
      await duckdb.use(async (session) => {
        const scan = await bronze.scan(session, await bronze.snapshot())
        const select = `select * replace (kafka_offset + 1000000 as kafka_offset) from (${scan}) limit 1`
        await append(bronze, { session, select })
      })

      const counts = ofLog(await auditOnce(platform)).map(({ left, right, problem }) => [
        left,
        right,
        problem,
      ])

      expect(counts).toEqual(before.map(({ left, right }) => [left, right, undefined]))
    })

    if (extent === 'whole') {
      it('balances after compaction, and while landing is ahead of the batch', async () => {
        await using store = await openStore()
        await using platform = await books.copy()
        await auditLedger(platform.context, { ledger: store.ledger })
        for (const name of ['bronze/events', 'silver/events'] as const)
          await optimize(platform.context.table(name))
        await platform.send(someMessages(40, 3, '2026-11-21'))
        await platform.land()

        expect(faultsOf(await auditLedger(platform.context, { ledger: store.ledger }))).toEqual({})

        await platform.realtime()
        await platform.batch()
        expect(faultsOf(await auditLedger(platform.context, { ledger: store.ledger }))).toEqual({})
        // ClickHouse shows the lake itself again.
        await books.batch({ kind: 'full' })
      })
    }

    // From here on ClickHouse shows what the batches of other lakes have loaded.

    if (extent === 'whole') {
      it('finds a change of bronze that a later batch has carried into silver and gold, until it is accepted', async () => {
        await using store = await openStore()
        await using platform = await books.copy()
        const audit = (accept?: string): Promise<LedgerReport> =>
          auditLedger(platform.context, { ledger: store.ledger, ...(accept !== undefined && { accept }) })
        await audit()
        await harms.changed(platform, 'bronze/events', (await someRow('bronze/events')).where)
        await platform.batch()

        const carried = {
          'bronze/events 2026-11-20': 'rows that were audited before are gone, or have other values',
        }
        expect(faultsOf(await audit())).toEqual(carried)
        expect(await audit()).toMatchObject({ balanced: false })
        expect(await audit('a correction that was asked for')).toMatchObject({ balanced: true })
        expect(await audit()).toMatchObject({ balanced: true })
        await harms.changed(platform, 'bronze/events', (await someRow('bronze/events')).where)
        await platform.batch()
        const again = await audit()
        expect(faultsOf(again)).toMatchObject(carried)
        // What was accepted is the first change, not every other in the same words.
        expect(again.balanced).toBe(false)
      })
    }

    if (extent === 'whole') {
      it('takes offsets without a message for what they are, also when the log no longer tells, and finds a loss among them', async () => {
        await using store = await openStore()
        const log = createMemoryEventLog({ topic: 'user-events', clusterId: 'marked', partitions: 1 })
        await using platform = await openSmallPlatform(duckdb, clickhouse, { log })
        const audit = async (): Promise<LedgerReport> =>
          auditLedger(platform.context, { ledger: store.ledger, isFull: true })
        const landed = ({ identities }: LedgerReport): unknown =>
          identities
            .filter(({ name }) => name === 'log = bronze + rejected')
            .map(({ left, right, problem }) => [left, right, problem])
        const sendMarked = async (count: number, seed: number): Promise<void> => {
          await platform.send(someMessages(count, seed))
          log.mark()
        }
        await sendMarked(20, 21)
        await sendMarked(20, 22)
        await platform.land()
        await platform.batch({ kind: 'changed' }, ['bronze_to_silver'])
        expect(landed(await audit())).toEqual([[40n, 40n, undefined]])

        log.expire()
        await sendMarked(10, 23)
        await platform.land()
        expect(landed(await audit())).toEqual([[50n, 50n, undefined]])
        log.expire()
        expect(landed(await audit())).toEqual([[50n, 50n, undefined]])

        await harms.dropped(platform, 'bronze/events', 'kafka_offset = 44')
        expect(landed(await audit())).toEqual([[50n, 49n, 'offsets are in neither table: 1']])
        await harms.dropped(platform, 'bronze/events', 'kafka_offset = 1')
        expect(landed(await audit())).toEqual([[50n, 48n, 'offsets are in neither table: 2']])
      })
    }
  })
}
