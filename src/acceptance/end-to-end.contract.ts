/**
 * One line from producer to serving, whatever the adapters: what was sent is what is shown, and nothing changes
 * when a stage is run again. Figures come from the producer's ledger and from the oracle, never from the
 * platform's own code.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { figuresOf } from '../console/figures.ts'
import { expandMacros } from '../console/macros.ts'
import { panels } from '../console/panels.ts'
import { ownTestedPanels } from '../pipeline/model/own-test.fixture.ts'
import { lakeTableNames } from '../pipeline/model/tables.ts'
import type { Environment } from '../pipeline/platform/config.ts'
import type { LedgerFile } from '../pipeline/producer/ledger.ts'
import type { Line } from './line.ts'
import { type Replay, readIndependently, replay, tally } from './oracle.ts'
import { panelTruth } from './panel-truth.ts'

const dayMs = 86_400_000
const untilMs = Math.floor(Date.now() / dayMs) * dayMs

export function describeEndToEnd(
  profile: string,
  open: (environment: Environment) => Promise<Line>,
  { count, embedded }: { readonly count: number; readonly embedded: readonly string[] },
): void {
  describe(`end to end: ${profile}`, () => {
    let folder = ''
    let line: Line
    let ledger: LedgerFile
    let told: Replay

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'lakeshore-ledger-'))
      line = await open({ LANDING_MAX_ROWS: String(Math.ceil(count / 4)) })
      const ledgerPath = join(folder, 'ledger.json')
      const history = { seed: 7, count, days: 3, untilMs, late: 0.03, duplicate: 0.01, malformed: 0.005 }
      await line.produce(history, ledgerPath)
      ledger = JSON.parse(await readFile(ledgerPath, 'utf8')) as LedgerFile
      told = await replay(await line.platform.log())
      await Promise.all([line.land(), line.realtime()])
      expect(await line.batch()).toBe('succeeded')
    }, 300_000)

    afterAll(async () => {
      await line?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    it('keeps in LAKE_HOME what belongs to embedded parts, and nothing of those that are servers', async () => {
      expect(await line.embeddedParts()).toEqual(embedded)
    })

    const delta = (name: string): string => join(line.lake, name)

    it('has each offset of the log once, in bronze or among the rejected, by an independent reader', async () => {
      const place = (table: string): string =>
        `SELECT concat(toString(kafka_partition), '/', toString(kafka_offset)) AS place FROM ${table}`

      const tables = [delta('bronze/events'), delta('bronze/rejected')]
      const rows = await readIndependently(tables, (...each) => each.map(place).join(' UNION ALL '))
      const places = rows.map((row) => String(row['place']))

      expect(places).toHaveLength(ledger.sent)
      expect(places.sort()).toEqual(told.places)
    })

    it('rejects and quarantines what the ledger calls malformed', async () => {
      const tables = ['bronze/rejected', 'silver/quarantine', 'silver/events'].map(delta)
      const [row] = await readIndependently(tables, (rejected, quarantine, events) => {
        const count = (table = ''): string => `(SELECT count() FROM ${table})`
        return `SELECT ${count(rejected)} + ${count(quarantine)} AS malformed, ${count(events)} AS valid`
      })

      expect([Number(row?.['malformed']), Number(row?.['valid'])]).toEqual([ledger.malformed, ledger.valid])
    })

    it('sums in each window to the deliveries of the ledger, late ones apart as a replay says', async () => {
      const clickhouse = await line.platform.clickhouse()
      const sums = async (table: string, key: string, measure: string): Promise<Record<string, number>> => {
        const rows = await clickhouse.query<{ k: string; n: number }>(
          `SELECT concat(formatDateTime(window_start, '%FT%TZ', 'UTC'), ' ', ${key}) AS k, sum(${measure}) AS n
           FROM realtime.${table} GROUP BY k HAVING n > 0`,
        )
        return Object.fromEntries(rows.map(({ k, n }) => [k.trim(), n]))
      }
      const { valid } = told
      const onTime = valid.filter(({ isLate }) => !isLate)
      const late = valid.filter(({ isLate }) => isLate)
      const deliveries: Record<string, number> = {}
      for (const entry of ledger.counts) {
        const key = `${entry.minute} ${entry.event_type}`
        deliveries[key] = (deliveries[key] ?? 0) + entry.deliveries
      }

      const counted = await sums('events_per_minute', 'event_type', 'event_count')
      const countedLate = await sums('late_events', 'event_type', 'event_count')
      const both = { ...counted }
      for (const [key, n] of Object.entries(countedLate)) both[key] = (both[key] ?? 0) + n

      expect(late.length).toBeGreaterThan(0)
      expect(both).toEqual(deliveries)
      expect(countedLate).toEqual(tally(late, ({ minute, eventType }) => `${minute} ${eventType}`))
      expect(await sums('logins_per_source', 'source', 'login_count')).toEqual(
        tally(
          onTime.filter(({ eventType }) => eventType === 'login'),
          ({ minute, source }) => `${minute} ${source}`,
        ),
      )
      expect(await sums('purchases_per_minute', `''`, 'purchase_count')).toEqual(
        tally(
          onTime.filter(({ eventType }) => eventType === 'purchase'),
          ({ minute }) => minute,
        ),
      )
    })

    it('shows the same gold in Delta, in ClickHouse, and in the ledger', async () => {
      const clickhouse = await line.platform.clickhouse()
      const expected = {
        daily_active_users: ledger.days.map(({ event_date, users }) => ({ event_date, dau_count: users })),
        conversion_rate_daily: ledger.days.map(({ event_date, users, purchasers }) => ({
          event_date,
          conversion_rate: purchasers / users,
          total_purchases: sumOf(ledger, event_date, ({ event_type }) => event_type === 'purchase'),
          dau_count: users,
        })),
        events_per_source_daily: ledger.days.flatMap(({ event_date }) =>
          ['mobile', 'web'].map((source) => ({
            event_date,
            source,
            event_count: sumOf(ledger, event_date, (entry) => entry.source === source),
          })),
        ),
      }
      for (const [name, rows] of Object.entries(expected)) {
        const columns = Object.keys(rows[0] ?? {})
        const select = (table: string): string =>
          `SELECT ${columns.map((column) => (column === 'event_date' ? 'toString(event_date) AS event_date' : column)).join(', ')} FROM ${table} ORDER BY ALL`
        const plain = (row: Readonly<Record<string, unknown>>): object =>
          Object.fromEntries(
            Object.entries(row).map(([key, value]) => [
              key,
              /_count$|_purchases$/.test(key) ? Number(value) : value,
            ]),
          )

        expect((await readIndependently(delta(`gold/${name}`), select)).map(plain), `Delta ${name}`).toEqual(
          rows,
        )
        expect((await clickhouse.query(select(`gold.${name}`))).map(plain), `ClickHouse ${name}`).toEqual(
          rows,
        )
        expect((await clickhouse.query(select(`serving.${name}`))).map(plain), `serving ${name}`).toEqual(
          rows,
        )
      }
    })

    it.each(
      panels.filter(({ id }) => !ownTestedPanels.has(id)),
    )('shows in the panel $id what the ledger says', async (panel) => {
      const clickhouse = await line.platform.clickhouse()
      const range = { fromMs: untilMs - 3 * dayMs, toMs: untilMs, stepMs: 60_000 }

      const rows = await clickhouse.query(expandMacros(panel.sql, range))

      expect(rows.length).toBeGreaterThan(0)
      expect(figuresOf(panel, rows, range)).toEqual(panelTruth(ledger, told, range)[panel.id])
    })

    it('changes no table when every stage is run again', async () => {
      const versions = async (): Promise<readonly number[]> =>
        Promise.all(
          lakeTableNames.map(async (name) => (await (await line.platform.table(name)).snapshot()).version),
        )
      const before = await versions()

      expect(await line.land()).toMatchObject({ commits: 0 })
      expect(await line.realtime()).toMatchObject({ batches: 0 })
      expect(await line.batch()).toBe('unchanged')

      expect(await versions()).toEqual(before)
    })
  })
}

function sumOf(
  ledger: LedgerFile,
  day: string,
  isCounted: (entry: LedgerFile['counts'][number]) => boolean,
): number {
  return ledger.counts
    .filter((entry) => entry.minute.startsWith(day) && isCounted(entry))
    .reduce((sum, { events }) => sum + events, 0)
}
