import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { append, deleteRows, updateRows } from '../../lib/delta/index.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import { createMemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { type Engines, openEngines } from '../serving/engines.fixture.ts'
import { emptyServing, keepRows } from '../serving/serving.fixture.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from './books.fixture.ts'
import { type Difference, type ReconcileReport, reconcile } from './reconcile.ts'

let duckdb: DuckDb
let engines: Engines
let clickhouse: ClickHouse
beforeAll(async () => {
  engines = await openEngines()
  ;({ duckdb, clickhouse } = engines)
})
afterAll(() => engines[Symbol.asyncDispose]())

let logs = 0
/** A platform of its own, with a log that no test before has used, and nothing in ClickHouse. */
async function open(): Promise<SmallPlatform> {
  await emptyServing(clickhouse)
  const log = createMemoryEventLog({ topic: 'user-events', clusterId: `reconciled-${++logs}` })
  return openSmallPlatform(duckdb, clickhouse, { log })
}

/** Gold and ClickHouse's copy of it have no part in this. */
const makeSilver = (platform: SmallPlatform): Promise<void> =>
  platform.batch({ kind: 'changed' }, ['bronze_to_silver'])

async function filled(seed: number): Promise<SmallPlatform> {
  const platform = await open()
  await platform.send(someMessages(250, seed))
  await platform.land()
  await platform.realtime()
  await makeSilver(platform)
  return platform
}

const unexplained = ({ differences }: ReconcileReport): readonly string[] =>
  differences
    .filter((difference) => difference.unexplained !== 0n)
    .map(
      ({ table, window, dimension, unexplained: left }) => `${table} ${window} ${dimension ?? '-'} ${left}`,
    )

const total = (
  differences: readonly Difference[],
  table: string,
  column: 'late' | 'duplicate' | 'realtime',
): bigint => differences.filter((each) => each.table === table).reduce((sum, each) => sum + each[column], 0n)

async function expectExplained(platform: SmallPlatform): Promise<void> {
  const report = await reconcile(platform.context)

  expect(unexplained(report)).toEqual([])
  expect(report.balanced).toBe(true)
  const partitions = await platform.log.partitions()
  expect(report.cut).toEqual(Object.fromEntries(partitions.map(({ partition, end }) => [partition, end])))
  const [late] = await clickhouse.query<{ n: number }>(
    'SELECT sum(event_count) AS n FROM realtime.late_events',
  )
  expect(late?.n).toBeGreaterThan(0)
  // Late events, and late further deliveries beside them.
  expect(
    total(report.differences, 'realtime.events_per_minute', 'late') +
      total(report.differences, 'realtime.late_events', 'duplicate'),
  ).toBe(BigInt(late?.n ?? 0))
}

/** The tables that `change` changes. */
const countTables = ['realtime.purchases_per_minute', 'realtime.events_per_minute', 'realtime.late_events']

/** @param extent `short` leaves out what repeats a promise in other cases. */
export function describeReconcile(extent: 'short' | 'whole'): void {
  describe('reconcile(context, options)', () => {
    it.each(
      extent === 'whole' ? [1, 2, 3, 4] : [1],
    )('explains every difference by late events and further deliveries, seed %i', async (seed) => {
      await using platform = await filled(seed)

      await expectExplained(platform)
    })

    it('compares both layers at the offsets of the batch, while landing and the speed layer have gone on', async () => {
      await using platform = await filled(5)
      await platform.send(someMessages(60, 6))
      await platform.land()
      await platform.realtime()

      const report = await reconcile(platform.context)

      expect(unexplained(report)).toEqual([])
      expect(Object.values(report.cut).reduce((sum, at) => sum + at, 0n)).toBe(250n)
    })

    it('counts the messages before the cut of a micro-batch that lies across it', async () => {
      await using platform = await open()
      const messages = someMessages(300, 7)
      await platform.send(messages.slice(0, 130))
      await platform.land()
      await makeSilver(platform)
      await platform.send(messages.slice(130))
      await platform.realtime()

      const report = await reconcile(platform.context)

      expect(unexplained(report)).toEqual([])
      expect(Object.values(report.cut).reduce((sum, at) => sum + at, 0n)).toBe(130n)
      const [across] = await clickhouse.query<{ n: number }>(
        'SELECT count() AS n FROM realtime.events_per_minute WHERE offset_from < {cut:Int64} AND offset_to > {cut:Int64} AND kafka_partition = 0',
        { params: { cut: report.cut['0'] } },
      )
      expect(across?.n).toBeGreaterThan(0)
    })

    if (extent === 'whole') {
      it('compares no further than the speed layer has come', async () => {
        await using platform = await open()
        await platform.send(someMessages(100, 8))
        await platform.realtime()
        await platform.send(someMessages(100, 9))
        await platform.land()
        await makeSilver(platform)

        const report = await reconcile(platform.context)

        expect(unexplained(report)).toEqual([])
        expect(Object.values(report.cut).reduce((sum, at) => sum + at, 0n)).toBe(100n)
      })

      it('tells what the log had lost before the speed layer read it, as skipped', async () => {
        await using platform = await open()
        await platform.send(someMessages(80, 14))
        await platform.realtime()
        await platform.send(someMessages(60, 15))
        await platform.land()
        platform.log.expire()
        await platform.send(someMessages(40, 16))
        await platform.realtime({ acceptGap: true })
        await platform.land()
        await makeSilver(platform)

        const report = await reconcile(platform.context)

        expect(unexplained(report)).toEqual([])
        const skipped = report.differences.filter(({ table }) => table === 'realtime.events_per_minute')
        const inSilver = await duckdb.use(async (session) => {
          const table = platform.context.table('silver/events')
          const scan = await table.scan(session, await table.snapshot())
          return await session.row(
            `select count(*) as n from (${scan}) where event_id like '2026-11-20-15-%'`,
          )
        })
        expect(skipped.reduce((sum, each) => sum + each.skipped, 0n)).toBe(inSilver['n'])
        expect(skipped.flatMap(({ rows }) => rows.map((row) => row['class']))).toContain('skipped')
      })

      it('looks at the windows of some days alone, whose lateness other days have caused', async () => {
        await using platform = await open()
        await platform.send([
          ...someMessages(120, 10),
          ...someMessages(60, 11, '2026-11-21'),
          ...someMessages(40, 12),
        ])
        await platform.land()
        await platform.realtime()
        await makeSilver(platform)

        const whole = await reconcile(platform.context)
        const day = await reconcile(platform.context, { days: { from: '2026-11-20', to: '2026-11-21' } })

        expect(unexplained(day)).toEqual([])
        expect(day.differences).toEqual(
          whole.differences.filter(({ window }) => window.startsWith('2026-11-20')),
        )
        expect(day.differences.length).toBeGreaterThan(20)
      })
    }

    describe('of one platform, whose rows are harmed and put back', () => {
      let platform: SmallPlatform
      beforeAll(async () => {
        platform = await filled(13)
      })
      afterAll(() => platform[Symbol.asyncDispose]())

      it('names the messages behind each difference, as many as it counts', async () => {
        const { differences } = await reconcile(platform.context)

        expect(differences.length).toBeGreaterThan(5)
        for (const { rows, late, duplicate, window } of differences) {
          const classes = rows.map((row) => row['class'])
          expect(
            classes.filter((each) => each === 'late'),
            window,
          ).toHaveLength(Number(late))
          expect(
            classes.filter((each) => each === 'duplicate'),
            window,
          ).toHaveLength(Number(duplicate))
        }
      })

      const all: readonly [string, (platform: SmallPlatform) => Promise<unknown>, number][] = [
        ['a count that the speed layer has lost', () => change('purchases_per_minute', -1), 1],
        ['a count that the speed layer has twice', () => change('events_per_minute', 1), 1],
        ['a late event that was counted once more', () => change('late_events', 1), 1],
        [
          'a row that silver has lost',
          (platform) => onSilver(platform, (table, session, where) => deleteRows(table, session, { where })),
          1,
        ],
        [
          'a row that silver has twice',
          (platform) =>
            onSilver(platform, async (table, session, where) => {
              const scan = await table.scan(session, await table.snapshot())
              await append(table, { session, select: `select * from (${scan}) where ${where}` })
            }),
          1,
        ],
        [
          'a row that silver has under another type',
          (platform) =>
            onSilver(platform, (table, session, where) =>
              updateRows(table, session, {
                set: { event_type: `case event_type when 'click' then 'logout' else 'click' end` },
                where,
              }),
            ),
          2,
        ],
        [
          'a row that silver has in another window',
          (platform) =>
            onSilver(platform, (table, session, where) =>
              updateRows(table, session, { set: { timestamp: `"timestamp" + interval '3' minute` }, where }),
            ),
          2,
        ],
      ]
      it.each(extent === 'whole' ? all : all.slice(0, 4))('finds %s', async (_, harm, windows) => {
        await using harmed = await platform.copy()
        await using _kept = await keepRows(clickhouse, countTables)
        await harm(harmed)

        const report = await reconcile(harmed.context)

        expect(report.balanced).toBe(false)
        const found = report.differences.filter((each) => each.unexplained !== 0n)
        expect(
          new Set(found.map(({ window, dimension, table }) => `${table} ${window} ${dimension}`)).size,
        ).toBeGreaterThanOrEqual(windows)
      })

      it('explains every difference again, once all is put back', () => expectExplained(platform))
    })
  })
}

/** Adds to the greatest count of a table of the speed layer. */
async function change(table: string, by: number): Promise<void> {
  const measure = table === 'purchases_per_minute' ? 'purchase_count' : 'event_count'
  await clickhouse.command(
    `ALTER TABLE realtime.${table} UPDATE ${measure} = ${measure} + (${by})
     WHERE (window_start, kafka_partition, offset_from, ${measure}) IN (
       SELECT window_start, kafka_partition, offset_from, ${measure} FROM realtime.${table} ORDER BY ${measure} DESC, window_start, kafka_partition, offset_from LIMIT 1)`,
    { settings: { mutations_sync: 2, allow_nondeterministic_mutations: 1 } },
  )
}

type Table = ReturnType<SmallPlatform['context']['table']>
type Session = Parameters<typeof deleteRows>[1]

/** Does something to the first row of silver that came on time. */
async function onSilver(
  { context }: SmallPlatform,
  work: (table: Table, session: Session, where: string) => Promise<unknown>,
): Promise<void> {
  const table = context.table('silver/events')
  await duckdb.use(async (session) => {
    const scan = await table.scan(session, await table.snapshot())
    const row = await session.row(
      `select event_id from (${scan}) order by kafka_offset, kafka_partition limit 1`,
    )
    await work(table, session, `event_id = '${String(row['event_id'])}'`)
  })
}
