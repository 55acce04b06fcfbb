import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hintOf } from '../../hints/hints.ts'
import { systemClock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { silentLogger } from '../../lib/base/log.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { openClickHouse } from '../../lib/clickhouse/client.ts'
import { stallBefore } from '../../lib/clickhouse/stalling.fixture.ts'
import { until } from '../../lib/clickhouse-server/home.fixture.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import { createMemoryEventLog, type MemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { offset } from '../../lib/eventlog/eventlog.ts'
import { type Engines, openEngines } from '../serving/engines.fixture.ts'
import { emptyServing } from '../serving/serving.fixture.ts'
import { realtimeTableNames } from '../serving/tables.ts'
import { type RealtimeOptions, type RealtimeReport, runRealtime } from './realtime.ts'

let duckdb: DuckDb
let engines: Engines
let clickhouse: ClickHouse
beforeAll(async () => {
  engines = await openEngines()
  ;({ duckdb, clickhouse } = engines)
})
afterAll(() => engines[Symbol.asyncDispose]())

let log: MemoryEventLog
let logs = 0
beforeEach(async () => {
  log = createMemoryEventLog({ topic: 'user-events', clusterId: `log-${++logs}` })
  await emptyServing(clickhouse)
})

const drain = (options: Partial<RealtimeOptions> = {}): Promise<RealtimeReport> =>
  runRealtime({ log, clickhouse, duckdb, triggerMs: 1_000, maxRows: 200, drain: true, ...options })

interface Sent {
  readonly minute: number
  readonly type: string
  readonly source: string
}

const startMs = Date.parse('2026-11-20T10:00:00Z')

/** Events whose times wander back by up to seven minutes, with rejects, invalid ones and duplicates among them. */
function messages(count: number, seed: number): readonly (string | null)[] {
  let state = seed
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state % below
  }
  return Array.from({ length: count }, (_, n) => {
    if (n % 17 === 3) return n % 2 ? null : '{"torn":'
    const backMs = random(5) === 0 ? random(7 * 60_000) : 0
    return JSON.stringify({
      event_id: `e${n}`,
      user_id: n % 19 === 5 ? -1 : 1 + random(9),
      event_type: ['login', 'click', 'purchase', 'logout'][random(4)],
      page: '/p',
      timestamp: new Date(startMs + n * 1_000 - backMs).toISOString(),
      source: ['web', 'mobile'][random(2)],
    })
  })
}

async function send(values: readonly (string | null)[]): Promise<void> {
  await log.append(
    values.map((value, n) => ({
      key: Buffer.from(`user-${n % 9}`),
      value: value === null ? null : Buffer.from(value),
    })),
  )
}

/** What the definition says, read off the log message by message. */
async function replay(): Promise<{ onTime: readonly Sent[]; late: readonly Sent[] }> {
  const [onTime, late]: [Sent[], Sent[]] = [[], []]
  for (const { partition, end } of await log.partitions()) {
    let newestMs = Number.NEGATIVE_INFINITY
    for (let at = 0n; at < end; at++) {
      const value = (await log.readAt(partition, offset(at)))?.value
      if (value === null || value === undefined || !String(value).endsWith('}')) continue
      const event = JSON.parse(Buffer.from(value).toString()) as Record<string, string>
      if (Number(event['user_id']) <= 0) continue
      const timeMs = Date.parse(String(event['timestamp']))
      const minute = Math.floor(timeMs / 60_000) * 60
      const sent = { minute, type: String(event['event_type']), source: String(event['source']) }
      if ((minute + 60) * 1000 <= newestMs - 120_000) late.push(sent)
      else onTime.push(sent)
      newestMs = Math.max(newestMs, timeMs)
    }
  }
  return { onTime, late }
}

function tally(events: readonly Sent[], keyOf: (event: Sent) => string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const event of events) counts[keyOf(event)] = (counts[keyOf(event)] ?? 0) + 1
  return counts
}

async function sums(table: string, key: string, measure: string): Promise<Readonly<Record<string, number>>> {
  const rows = await clickhouse.query<{ k: string; n: number }>(
    `SELECT ${key} AS k, sum(${measure}) AS n FROM realtime.${table} GROUP BY k HAVING n > 0`,
  )
  return Object.fromEntries(rows.map(({ k, n }) => [k, n]))
}

async function expectRight(): Promise<void> {
  const { onTime, late } = await replay()
  const start = 'toString(toUnixTimestamp(window_start))'
  const typeKey = `concat(${start}, ' ', event_type)`
  expect(await sums('events_per_minute', typeKey, 'event_count')).toEqual(
    tally(onTime, ({ minute, type }) => `${minute} ${type}`),
  )
  expect(await sums('late_events', typeKey, 'event_count')).toEqual(
    tally(late, ({ minute, type }) => `${minute} ${type}`),
  )
  expect(await sums('logins_per_source', `concat(${start}, ' ', source)`, 'login_count')).toEqual(
    tally(
      onTime.filter(({ type }) => type === 'login'),
      ({ minute, source }) => `${minute} ${source}`,
    ),
  )
  expect(await sums('purchases_per_minute', start, 'purchase_count')).toEqual(
    tally(
      onTime.filter(({ type }) => type === 'purchase'),
      ({ minute }) => String(minute),
    ),
  )
}

/** @param extent `short` leaves out what repeats a promise in other cases. */
export function describeRealtime(extent: 'short' | 'whole'): void {
  describe('runRealtime(options)', () => {
    it('counts each valid event once, on time or late, as a replay of the log says', async () => {
      await send(messages(600, 1))

      const report = await drain()

      const { onTime, late } = await replay()
      expect(late.length).toBeGreaterThan(20)
      expect(report).toMatchObject({ messages: 600, events: onTime.length, late: late.length })
      await expectRight()
    })

    it('says the same whatever the batches, over restarts', async () => {
      const all = messages(450, 2)
      for (let from = 0; from < all.length; from += 150) {
        await send(all.slice(from, from + 150))
        await drain({ maxRows: 50 + from / 2 })
      }

      await expectRight()
      expect(await drain()).toMatchObject({ messages: 0, batches: 0 })
    })

    it('loses and doubles nothing when answers are lost and inserts fail between any two tables', async () => {
      await send(messages(400, 3))
      let inserts = 0
      const unreliable: ClickHouse = Object.assign(Object.create(clickhouse) as ClickHouse, {
        insert: async (...args: Parameters<ClickHouse['insert']>) => {
          inserts += 1
          if (inserts % 7 === 2) throw new LakeError('CLICKHOUSE_UNAVAILABLE', 'never arrived')
          await clickhouse.insert(...args)
          if (inserts % 5 === 0) {
            throw new LakeError('CLICKHOUSE_UNAVAILABLE', 'answer lost', { details: { ambiguous: true } })
          }
        },
      })

      await drain({
        maxRows: 100,
        clickhouse: unreliable,
        clock: { now: () => Date.now(), sleep: () => Promise.resolve() },
      })

      expect(inserts).toBeGreaterThan(20)
      await expectRight()
    })

    it('sends an insert again under its token when the answer was lost, for it may still arrive', async () => {
      await send(messages(60, 5))
      const tokens: string[] = []
      let lost: Parameters<ClickHouse['insert']> | undefined
      const slow: ClickHouse = Object.assign(Object.create(clickhouse) as ClickHouse, {
        insert: async (...args: Parameters<ClickHouse['insert']>) => {
          const [table, , { token = '' } = {}] = args
          if (table === 'realtime.events_per_minute') tokens.push(token)
          if (table === 'realtime.events_per_minute' && lost === undefined) {
            lost = args
            throw new LakeError('CLICKHOUSE_UNAVAILABLE', 'answer lost', { details: { ambiguous: true } })
          }
          // The one whose answer was lost arrives late: after it was looked for and not found.
          if (lost !== undefined && table === lost[0] && token.startsWith(lost[2]?.token ?? '')) {
            await clickhouse.insert(...lost)
          }
          await clickhouse.insert(...args)
        },
      })

      await drain({ clickhouse: slow })

      const partitions = (await log.partitions()).filter(({ end }) => end > 0n).length
      expect(tokens).toHaveLength(partitions + 1)
      expect(new Set(tokens).size).toBe(partitions)
      await expectRight()
    })

    it('looks for the rows of all tables and partitions at once', async () => {
      await send(messages(60, 7))
      const lookups: string[] = []
      const counting: ClickHouse = Object.assign(Object.create(clickhouse) as ClickHouse, {
        query: (...args: Parameters<ClickHouse['query']>) => {
          if (args[0].includes('offset_from')) lookups.push(args[0])
          return clickhouse.query(...args)
        },
      })

      const { batches } = await drain({ clickhouse: counting })

      const partitions = (await log.partitions()).filter(({ end }) => end > 0n).length
      expect(partitions).toBeGreaterThan(1)
      const positions = lookups.filter((sql) => sql.includes('GROUP BY'))
      expect(lookups.length - positions.length).toBe(batches)
    })

    if (extent === 'whole') {
      it('takes another token where ClickHouse remembers the insert and has lost its rows', async () => {
        await send(messages(60, 6))
        await drain()
        for (const table of realtimeTableNames) {
          await clickhouse.command(`ALTER TABLE realtime.${table} DELETE WHERE 1`, {
            settings: { mutations_sync: 2 },
          })
        }

        await drain()

        await expectRight()
      })
    }

    it.each(
      extent === 'whole' ? (['unheard', 'unanswered'] as const) : (['unanswered'] as const),
    )('ends in time where an insert goes %s, says which messages are open, and the next start settles them', async (stall) => {
      const { url, username, password } = await engines.home.endpoint()
      await using proxy = await stallBefore(url)
      await using through = await openClickHouse({ url: proxy.url, username, password })
      const controller = new AbortController()
      const { signal } = controller
      const warnings: string[] = []
      let counted = 0
      await send(messages(60, 15))
      const running = runRealtime(
        {
          log,
          clickhouse: through,
          duckdb,
          triggerMs: 20,
          shutdownDeadlineMs: 200,
          logger: { ...silentLogger, warn: (_, message) => void warnings.push(message) },
          onProgress: (report) => {
            counted = report.messages
          },
        },
        { signal },
      )
      await until(async () => counted === 60)
      const ends = new Map((await log.partitions()).map(({ partition, end }) => [partition, end]))
      proxy.stall = stall
      await send(messages(60, 16))
      await until(async () => proxy.stalled > 0)

      controller.abort(new Error('asked to end'))
      const { unconfirmed = [] } = await running

      expect(unconfirmed.length).toBeGreaterThan(0)
      for (const { partition, from, to } of unconfirmed) {
        expect(from).toBe(ends.get(partition))
        expect(to).toBeGreaterThan(from)
        expect(warnings.join()).toContain(`partition ${partition}: offset`)
      }
      await drain()
      await expectRight()
    })

    it('comes to the end of partitions that end in a marker, be there messages before it or not', async () => {
      const [first = null] = messages(1, 14)
      await log.append([
        { key: Buffer.from('one partition'), value: first === null ? null : Buffer.from(first) },
      ])
      log.mark()

      const report = await drain()
      const again = await drain()

      expect(report).toMatchObject({ messages: 1, events: 1 })
      expect(again).toMatchObject({ messages: 0, batches: 0 })
      await expectRight()
      // A row of 0 must not stretch a chart back to 1970.
      expect(
        await clickhouse.query(
          `SELECT count() AS n FROM realtime.events_per_minute WHERE window_start < '2026-01-01'`,
        ),
      ).toEqual([{ n: 0 }])
    })

    it('says that retention was faster, also where a drain finds nothing left to read', async () => {
      await send(messages(9, 7))
      await drain()
      await send(messages(9, 8))
      log.expire()

      await expect(drain()).rejects.toMatchObject({ code: 'EVENTLOG_GAP' })
    })

    if (extent === 'whole') {
      it('says so too where a table has nothing of the partition yet, for it died in its first batch', async () => {
        await send(messages(9, 17))
        await drain()
        await clickhouse.command('TRUNCATE TABLE realtime.late_events')
        log.expire()
        await send(messages(9, 18))

        await expect(drain()).rejects.toMatchObject({ code: 'EVENTLOG_GAP' })
      })
    }

    it('goes on after an accepted gap, and keeps in its rows what it skipped', async () => {
      await send(messages(30, 19))
      await drain()
      const ends = new Map((await log.partitions()).map(({ partition, end }) => [partition, end]))
      await send(messages(30, 20))
      log.expire()
      const gaps = (await log.partitions()).map(({ partition, start }) => ({
        partition,
        from: ends.get(partition),
        to: start,
      }))
      await send(messages(30, 21))

      const report = await drain({ acceptGap: true })
      const again = await drain()

      expect(report).toMatchObject({ messages: 30, skipped: gaps })
      expect(again).toEqual({ messages: 0, events: 0, late: 0, batches: 0 })
      for (const table of realtimeTableNames) {
        expect(
          await clickhouse.query(
            `SELECT kafka_partition AS partition, offset_from AS "from", offset_to AS "to", skipped FROM realtime.${table}
           WHERE skipped > 0 ORDER BY partition`,
          ),
        ).toEqual(
          gaps.map(({ partition, from = 0n, to }) => ({
            partition,
            from: Number(from),
            to: Number(to),
            skipped: Number(to - from),
          })),
        )
      }
      const [row] = await clickhouse.query<{ readonly n: number }>(
        `SELECT sum(event_count) AS n FROM (SELECT event_count FROM realtime.events_per_minute
         UNION ALL SELECT event_count FROM realtime.late_events)`,
      )
      expect(row?.n).toBeGreaterThan(30)
      expect(row?.n).toBeLessThan(60)
    })

    describe('where counts were lost or doubled', () => {
      const remove = (table: string, where: string): Promise<void> =>
        clickhouse.command(`ALTER TABLE realtime.${table} DELETE WHERE ${where}`, {
          settings: { mutations_sync: 2 },
        })
      const clock = { ...systemClock, now: () => startMs + 86_400_000 }
      let areKept = false
      /** Counted once, and kept: each test gets these rows as those of its own log. */
      beforeEach(async () => {
        log = createMemoryEventLog({ topic: 'user-events', clusterId: `log-${logs}`, clock })
        await send(messages(300, 21))
        if (!areKept) {
          await drain({ maxRows: 30 })
          await clickhouse.command('CREATE DATABASE kept')
        }
        for (const table of realtimeTableNames) {
          if (!areKept) {
            await clickhouse.command(`CREATE TABLE kept.${table} AS realtime.${table}`)
            await clickhouse.command(`INSERT INTO kept.${table} SELECT * FROM realtime.${table}`)
          } else {
            await clickhouse.command(
              `INSERT INTO realtime.${table} SELECT * REPLACE ('log-${logs}/user-events' AS log_id) FROM kept.${table}`,
            )
          }
        }
        areKept = true
      })

      const lost: readonly (readonly [string, readonly string[], string])[] = [
        ['rows of all tables', realtimeTableNames, 'offset_from < 20 OR offset_from > 40 AND offset_to < 75'],
        ['older rows of one table', ['events_per_minute'], 'offset_from >= 20 AND offset_to < 75'],
        ['the first rows of one table', ['late_events'], 'offset_from < 30'],
      ]
      it.each(
        extent === 'whole' ? lost : lost.slice(0, 1),
      )('makes them again from the log: %s', async (_, tables, where) => {
        const before = await Promise.all(tables.map((table) => sums(table, 'kafka_partition', '1')))
        for (const table of tables) await remove(table, where)
        const warnings: string[] = []
        const logger = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) }
        expect(await Promise.all(tables.map((table) => sums(table, 'kafka_partition', '1')))).not.toEqual(
          before,
        )

        await drain({ logger })

        await expectRight()
        expect(warnings.join()).toMatch(/realtime\.\w+, partition \d: offsets .* are made again from the log/)
        warnings.length = 0
        await drain({ logger })
        expect(warnings).toEqual([])
      })

      it('stops where the log no longer holds them, names the offsets, and goes on when told', async () => {
        await remove('events_per_minute', 'kafka_partition = 1 AND offset_from >= 20 AND offset_to < 75')
        log.expire()

        await expect(drain()).rejects.toMatchObject({
          code: 'EVENTLOG_GAP',
          message: expect.stringMatching(/realtime\.events_per_minute, partition 1: offsets \d+ to \d+$/),
          details: expect.objectContaining({ fault: 'counts-lost' }),
        })
        expect((await drain({ acceptGap: true })).skipped).toMatchObject([{ partition: 1 }])
        expect(await drain()).toEqual({ messages: 0, events: 0, late: 0, batches: 0 })
      })

      it('takes what the log no longer holds for expired where the table has a TTL', async () => {
        await clickhouse.command(
          'ALTER TABLE realtime.late_events MODIFY TTL window_start + INTERVAL 10 YEAR',
        )
        await remove(
          'late_events',
          'kafka_partition = 1 AND (offset_from >= 20 AND offset_to < 75 OR offset_from = 0)',
        )
        log.expire()

        expect(await drain()).toEqual({ messages: 0, events: 0, late: 0, batches: 0 })
        await clickhouse.command('ALTER TABLE realtime.late_events REMOVE TTL')
      })

      const doubled: readonly (readonly [string, string, string])[] = [
        ['over several whole ranges', '0', 'max(offset_to) over (partition by kafka_partition)'],
        ['beside it', 'offset_from - 1', 'offset_to'],
      ]
      it.each(
        extent === 'whole' ? doubled : doubled.slice(0, 1),
      )('stops where a range lies %s, and says what to delete', async (_, from, to) => {
        const columns =
          'window_start, window_end, purchase_count, log_id, kafka_partition, newest_event_time, inserted_at'
        await clickhouse.command(
          `INSERT INTO realtime.purchases_per_minute (${columns}, offset_from, offset_to)
         SELECT ${columns}, ${from}, ${to} FROM realtime.purchases_per_minute
         WHERE kafka_partition = 1 ORDER BY offset_from DESC LIMIT 1`,
        )

        const error: unknown = await drain().catch((thrown: unknown) => thrown)

        expect(error).toMatchObject({
          code: 'CHECK_FAILED',
          message: expect.stringContaining('realtime.purchases_per_minute, partition 1: offset'),
        })
        const statement = /`(?<sql>ALTER TABLE [^`]*)`/.exec(hintOf(error))?.groups?.['sql'] ?? ''
        await clickhouse.command(statement, { settings: { mutations_sync: 2 } })
        await drain()
        await expectRight()
      })
    })

    if (extent === 'whole') {
      it('refuses a log of an unknown cluster where the topic was counted from another, unless told', async () => {
        await send(messages(30, 5))
        await drain()
        const other = createMemoryEventLog({ topic: 'user-events', clusterId: 'another' })
        await other.append(messages(3, 6).map((value) => ({ key: null, value: Buffer.from(value ?? '') })))

        await expect(drain({ log: other })).rejects.toMatchObject({
          code: 'EVENTLOG_RESET',
          message: expect.stringContaining('got cluster another'),
          details: expect.objectContaining({ fault: 'another-log', stage: 'realtime' }),
        })
        expect(await drain({ log: other, acceptNewLog: true })).toMatchObject({ messages: 3 })
        expect(await drain({ log: other })).toMatchObject({ messages: 0 })
        expect(await drain()).toMatchObject({ messages: 0 })
      })
    }

    it('does not accept that the topic was made anew', async () => {
      await send(messages(9, 22))
      await drain()
      log.reset()

      await expect(drain({ acceptGap: true })).rejects.toMatchObject({ code: 'EVENTLOG_RESET' })
    })

    if (extent === 'whole') {
      it('says that the topic was made anew, also where it holds nothing yet', async () => {
        await send(messages(9, 9))
        await drain()
        log.reset()

        await expect(drain()).rejects.toMatchObject({ code: 'EVENTLOG_RESET' })
      })
    }

    it('stops loudly when the log holds other messages than those that were counted, be they as many', async () => {
      await send(messages(30, 10))
      await drain()
      const before = await sums('events_per_minute', "''", 'event_count')
      const clock = { now: () => 1, sleep: async () => undefined }
      log = createMemoryEventLog({ topic: 'user-events', clusterId: `log-${logs}`, clock })
      await send(messages(30, 10))

      await expect(drain()).rejects.toMatchObject({
        code: 'EVENTLOG_RESET',
        message: expect.stringContaining('another message'),
      })
      expect(await sums('events_per_minute', "''", 'event_count')).toEqual(before)
    })

    if (extent === 'whole') {
      it('says where the log could not be checked, and goes on: retention, or rows of an older version', async () => {
        await send(messages(30, 11))
        await drain()
        const warnings: object[] = []
        const logger = { ...silentLogger, warn: (fields: object) => void warnings.push(fields) }
        log.expire()

        await drain({ logger })

        expect(warnings).toEqual([{ partition: 0 }, { partition: 1 }, { partition: 2 }])
      })
    }

    if (extent === 'whole') {
      it('brings tables of an older version to the present columns, and counts on from where they stand', async () => {
        await send(messages(120, 12))
        await drain({ maxRows: 30 })
        for (const table of realtimeTableNames) {
          await clickhouse.command(
            `ALTER TABLE realtime.${table} DROP COLUMN last_offset, DROP COLUMN last_append_time, DROP COLUMN skipped`,
            { settings: { mutations_sync: 2 } },
          )
        }
        const warnings: object[] = []
        await send(messages(60, 13))

        await drain({ logger: { ...silentLogger, warn: (fields: object) => void warnings.push(fields) } })

        expect(warnings).toEqual([{ partition: 0 }, { partition: 1 }, { partition: 2 }])
        await expectRight()
      })
    }

    it('lets two run at once on the same messages', async () => {
      await send(messages(300, 4))

      await Promise.all([drain({ maxRows: 90 }), drain({ maxRows: 140 })])

      await expectRight()
    })
  })
}
