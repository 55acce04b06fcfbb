import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { type EvaluateOptions, evaluateExpectations } from '../../lib/quality/evaluate.ts'
import { describeExpectation } from '../../lib/quality/expectation.ts'
import { checksOf, expectationsBefore, expectationsBetween } from './checks.ts'
import { hasOwnTest } from './own-test.fixture.ts'
import { rowsSelect, type SqlRow, validEvent } from './rows.fixture.ts'
import { type LakeTable, lakeTableNames } from './tables.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const day = `date '2026-11-20'`

/** A row of each table that breaks no check. */
const good: Readonly<Partial<Record<LakeTable, SqlRow>>> = {
  'bronze/events': validEvent,
  'silver/events': validEvent,
  'silver/quarantine': { ...validEvent, page: `''`, reasons: `['page_empty']` },
  'gold/daily_active_users': { event_date: day, dau_count: '1' },
  'gold/conversion_rate_daily': {
    event_date: day,
    conversion_rate: '0.5',
    total_purchases: '1',
    dau_count: '2',
  },
  'gold/events_per_source_daily': { event_date: day, source: `'web'`, event_count: '1' },
  'gold/purchases_per_page_daily': { event_date: day, page: `'/cart'`, purchase_count: '1' },
}

interface Example {
  readonly table: LakeTable
  /** What differs from a good row; a row each. */
  readonly rows: readonly SqlRow[]
  /** The checks that these rows break, in the order in which they are declared. */
  readonly broken: readonly string[]
  readonly options?: Pick<EvaluateOptions, 'nowMs' | 'history'>
}

const valid = 'the event is valid'
const dayOfTimestamp = 'event_date is the UTC day of timestamp'
const inSilver = 'event_date is in silver_events'
const nextDay = `date '2026-11-21'`
const lastMs = Date.parse('2026-11-20T12:00:00Z')
const hourMs = 3_600_000
const weeks = ['2026-11-13', '2026-11-06', '2026-10-30']
const historyOf = (rows: number): ReadonlyMap<string, number> => new Map(weeks.map((week) => [week, rows]))
const drift = 'the number of rows is within 50 % of its weekday'

const examples: readonly Example[] = [
  ...['event_id', 'user_id', 'event_type', 'page', 'source'].map((column): Example => {
    return {
      table: 'bronze/events',
      rows: [{ [column]: 'null' }],
      broken: [`${column} is not null`, valid],
    }
  }),
  {
    table: 'bronze/events',
    rows: [{ timestamp: 'null' }],
    broken: ['timestamp is not null', dayOfTimestamp, valid],
  },
  {
    table: 'bronze/events',
    rows: [{ event_date: 'null' }],
    broken: ['event_date is not null', dayOfTimestamp, valid],
  },
  ...[nextDay, `date '2026-11-19'`].map((of): Example => {
    return { table: 'bronze/events', rows: [{ event_date: of }], broken: [dayOfTimestamp] }
  }),
  { table: 'bronze/events', rows: [{ page: `''` }], broken: [valid] },
  {
    table: 'bronze/events',
    rows: [{}],
    broken: ['the newest kafka_timestamp is at most 24 hours old'],
    options: { nowMs: lastMs + 24 * hourMs + 1 },
  },
  {
    table: 'bronze/events',
    rows: [{}],
    broken: [drift],
    options: { nowMs: lastMs + 20 * hourMs, history: historyOf(3) },
  },
  {
    table: 'silver/events',
    rows: [{}, { kafka_offset: '2' }],
    broken: ['event_date, event_id is unique'],
  },
  { table: 'silver/events', rows: [{ event_date: nextDay }], broken: [dayOfTimestamp] },
  { table: 'silver/events', rows: [{ user_id: '0' }], broken: [valid] },
  {
    table: 'silver/events',
    rows: [
      {},
      {
        event_date: nextDay,
        timestamp: `timestamptz '2026-11-21 00:00:00+00'`,
        kafka_timestamp: `timestamptz '2026-11-21 00:00:00+00'`,
      },
    ],
    broken: ['event_id is on one day'],
  },
  { table: 'silver/quarantine', rows: [{ page: `'/home'` }], broken: ['the event is not valid'] },
  { table: 'silver/quarantine', rows: [{ reasons: '[]' }], broken: ['there is a reason'] },
  { table: 'silver/quarantine', rows: [{ reasons: 'null' }], broken: ['there is a reason'] },
  ...goldExamples('gold/daily_active_users', {
    'event_date is unique': [{}, { dau_count: '9' }],
    'dau_count is between 1 and any': [{ dau_count: '0' }],
  }),
  ...goldExamples('gold/conversion_rate_daily', {
    'event_date is unique': [{}, { dau_count: '9' }],
    'conversion_rate is between 0 and 1': [{ conversion_rate: '1.01' }],
    'total_purchases is between 0 and any': [{ total_purchases: '-1' }],
    'dau_count is between 1 and any': [{ dau_count: '0' }],
  }),
  {
    table: 'gold/conversion_rate_daily',
    rows: [{ conversion_rate: '-0.01' }],
    broken: ['conversion_rate is between 0 and 1'],
  },
  ...goldExamples('gold/events_per_source_daily', {
    'event_date, source is unique': [{}, { event_count: '9' }],
    'source is not null': [{ source: 'null' }],
    'event_count is between 1 and any': [{ event_count: '0' }],
  }),
  ...goldExamples('gold/purchases_per_page_daily', {
    'event_date, page is unique': [{}, { purchase_count: '9' }],
    'page is not null': [{ page: 'null' }],
    'purchase_count is between 1 and any': [{ purchase_count: '0' }],
  }),
]

/** Each breaks the check of its name; and what every metric has. */
function goldExamples(
  table: LakeTable,
  rows: Readonly<Record<string, readonly SqlRow[]>>,
): readonly Example[] {
  return [
    ...Object.entries(rows).map(([check, of]): Example => ({ table, rows: of, broken: [check] })),
    { table, rows: [{ event_date: 'null' }], broken: ['event_date is not null', inSilver] },
    { table, rows: [{ event_date: nextDay }], broken: [inSilver] },
  ]
}

/** The checks of a table that rows break. */
async function brokenBy({ table, rows, options }: Omit<Example, 'broken'>): Promise<readonly string[]> {
  const results = await duckdb.use(async (session) => {
    await session.run(`create temporary view silver_events as ${rowsSelect('silver/events', [validEvent])}`)
    return await evaluateExpectations(
      session,
      `(${rowsSelect(
        table,
        rows.map((row) => ({ ...good[table], ...row })),
      )})`,
      checksOf(table).map(({ expectation }) => expectation),
      { groupBy: 'event_date', nowMs: lastMs, ...options },
    )
  })
  const broken = results.flatMap(({ outcome, expectation }) => (outcome === 'breaks' ? [expectation] : []))
  return [...new Set(broken)]
}

describe('checksOf(table)', () => {
  it.each(
    Object.keys(good) as LakeTable[],
  )('has no fault to find with a row of %s that is in order', async (table) => {
    const options = { nowMs: lastMs + 20 * hourMs, history: historyOf(1) }

    expect(await brokenBy({ table, rows: [{}], options })).toEqual([])
  })

  it.each(
    examples.map((example, at) => [example.table, example.broken.join(', '), at] as const),
  )('finds in %s that %s is broken, and nothing else', async (_, __, at) => {
    const example = examples[at]

    expect(example && (await brokenBy(example))).toEqual(example?.broken)
  })

  it.each(['00:00:00', '23:59:59.999999'])('takes the day of an instant in UTC: %s', async (time) => {
    for (const date of ['1969-12-31', '2026-11-20']) {
      const at = `timestamptz '${date} ${time}+00'`
      const row = { event_date: `date '${date}'`, timestamp: at, kafka_timestamp: at }
      const broken = await brokenBy({ table: 'bronze/events', rows: [row], options: { nowMs: lastMs } })

      expect(broken).not.toContain(dayOfTimestamp)
    }
  })

  it('has an example of each check, which breaks it alone or with those that null breaks too', () => {
    const declared = lakeTableNames
      .filter((table) => !hasOwnTest(table.replace('gold/', '')))
      .flatMap((table) =>
        checksOf(table).map(({ expectation }) => `${table}: ${describeExpectation(expectation)}`),
      )
    const shown = examples.flatMap(({ table, broken }) => broken.map((check) => `${table}: ${check}`))

    expect(declared.filter((check) => !shown.includes(check))).toEqual([])
    expect(shown.filter((check) => !declared.includes(check))).toEqual([])
  })

  it.each<[LakeTable, string]>([
    ['bronze/events', ''],
    ['silver/events', `event_date, event_id is unique; ${dayOfTimestamp}; ${valid}`],
    ['silver/quarantine', 'the event is not valid; there is a reason'],
    [
      'gold/events_per_source_daily',
      `event_date, source is unique; event_date is not null; source is not null; ${inSilver}; event_count is between 1 and any`,
    ],
  ])('lets these decide whether rows of %s are committed: %s', (table, words) => {
    expect(expectationsBefore(checksOf(table)).map(describeExpectation).join('; ')).toBe(words)
    for (const target of lakeTableNames) expect(expectationsBetween(checksOf(table), target)).toEqual([])
  })
})
