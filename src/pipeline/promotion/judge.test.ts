import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { goldMetrics } from '../model/gold.ts'
import { eventDate } from '../model/metric-column.ts'
import { rowsSelect, type SqlRow, validEvent } from '../model/rows.fixture.ts'
import { judgeDefinition, type MetricDefinition, type Refusal } from './definition.ts'
import { judgeRows } from './judge-rows.ts'
import { judgeSql } from './sql-rules.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const logins: MetricDefinition = {
  name: 'logins_per_source_daily',
  description: 'Logins of the UTC day from each source.',
  columns: {
    event_date: eventDate,
    source: { type: 'string', description: 'web or mobile' },
    login_count: { type: 'long', description: 'Logins' },
  },
  grain: ['event_date', 'source'],
  sql: `SELECT event_date, source, COUNT(*) AS login_count FROM silver_events WHERE event_type = 'login' GROUP BY event_date, source`,
  checks: [{ kind: 'between', column: 'login_count', min: 1 }],
  panels: [],
}

const event = (id: number, day: number, source: string, more: SqlRow = {}): SqlRow => ({
  ...validEvent,
  event_id: `'e${id}'`,
  user_id: String(id % 3),
  event_type: `'login'`,
  source: `'${source}'`,
  event_date: `date '2026-11-${day}'`,
  timestamp: `timestamptz '2026-11-${day} 11:59:58+00'`,
  kafka_offset: String(id),
  ...more,
})
const silver = rowsSelect('silver/events', [
  ...Array.from({ length: 12 }, (_, id) => event(id, 20 + (id % 2), id % 3 === 0 ? 'mobile' : 'web')),
])

/** As promotion judges: the declaration, then its SQL, then its rows. */
async function judged(metric: object, changes?: string): Promise<readonly Refusal[]> {
  const declared = judgeDefinition(metric, changes)
  if (declared.length > 0) return declared
  const definition = metric as MetricDefinition
  return duckdb.use(async (session) => {
    const written = await judgeSql(session, definition.sql)
    if (written.length > 0) return written
    return judgeRows(session, definition, silver, { nowMs: Date.parse('2026-11-22T00:00:00Z') })
  })
}

describe('a definition', () => {
  it('that is in order is refused by nothing', async () => {
    expect(await judged(logins)).toEqual([])
  })

  it('that ends in a comment is refused by nothing', async () => {
    expect(await judged({ ...logins, sql: `${logins.sql} -- by source` })).toEqual([])
  })

  it.each(['event_id DESC', 'event_id NULLS LAST'])('may order a window by %s', async (order) => {
    const numbered = `SELECT *, ROW_NUMBER() OVER (PARTITION BY event_date ORDER BY ${order}) AS nth FROM silver_events`
    const select = `SELECT event_date, source, COUNT(*) AS login_count FROM (${numbered}) WHERE nth < 9 GROUP BY event_date, source`

    expect(await judged({ ...logins, sql: select })).toEqual([])
  })

  it('that changes the columns of a metric is refused', async () => {
    const [refusal] = await judged({ ...logins, name: 'daily_active_users' }, 'daily_active_users')

    expect(refusal?.problem).toContain(
      'The metric has the columns event_date date, dau_count long, and the change has',
    )
  })

  it.each(goldMetrics)('such as the metric $name is in order, as a change of itself', async (metric) => {
    const { task: _, position: __, ...definition } = metric

    expect(judgeDefinition(definition, metric.name)).toEqual([])
    expect(await duckdb.use((session) => judgeSql(session, metric.sql))).toEqual([])
  })

  const sql = (text: string): Partial<MetricDefinition> => ({ sql: text })
  it.each<[string, object, string]>([
    [
      'has the name of a metric',
      { name: 'daily_active_users' },
      'There is a metric daily_active_users already',
    ],
    ['has the name of a joined view', { name: 'events_per_day' }, 'serving.events_per_day is a view'],
    [
      'has a name that ClickHouse and files cannot share',
      { name: 'Logins-Daily' },
      'name: expected lower case letters',
    ],
    ['has no description', { description: ' ' }, 'description: expected a sentence'],
    [
      'has a type that ClickHouse and Delta do not share',
      { columns: { ...logins.columns, login_count: { type: 'decimal(10,2)', description: 'x' } } },
      'columns.login_count.type: expected one of date',
    ],
    [
      'has a column that the platform adds',
      { columns: { ...logins.columns, updated_at: { type: 'long', description: 'x' } } },
      'updated_at is a column that the platform adds',
    ],
    ['has no day in its grain', { grain: ['source'] }, 'The first column of the grain is not event_date'],
    [
      'has a grain of another column',
      { grain: ['event_date', 'page'] },
      'The grain names page, which no column is',
    ],
    ['checks another column', { checks: [{ kind: 'notNull', column: 'page' }] }, 'A check names page'],
    [
      'has a check that is none',
      { checks: [{ kind: 'betwen', column: 'login_count' }] },
      'checks.0.kind: expected one of notNull',
    ],
    [
      'has the panel of another',
      {
        panels: [
          {
            kind: 'stat',
            id: 'daily-active-users',
            title: 't',
            description: 'd',
            unit: 'count',
            value: 'v',
            measure: 'login_count',
            aggregate: 'sum',
          },
        ],
      },
      'There is a panel daily-active-users already',
    ],
    [
      'draws another column',
      {
        panels: [
          {
            kind: 'stat',
            id: 'logins',
            title: 't',
            description: 'd',
            unit: 'count',
            value: 'v',
            measure: 'page',
            aggregate: 'sum',
          },
        ],
      },
      'A panel names page',
    ],
    ['has a name of one word', { name: 'index' }, 'name: expected two words or more'],
    ['names a check twice', { grain: ['event_date', 'source', 'source'] }, 'source is named twice'],
    [
      'checks a text as a number',
      { checks: [{ kind: 'between', column: 'source', min: 1 }] },
      'A check of kind between is of numbers, and source is a string',
    ],
    [
      'has a check without a bound',
      { checks: [{ kind: 'between', column: 'login_count', max: 1 }] },
      'checks.0.min',
    ],
    [
      'has a check with a key that is none',
      { checks: [{ kind: 'notNull', column: 'source', foo: 2 }] },
      'checks.0',
    ],
    [
      'reads the clock by a word',
      sql(logins.sql.replace('WHERE', 'WHERE event_date <= current_date AND')),
      'current_date has another answer each time',
    ],
    ['keeps a number of rows', sql(`${logins.sql} LIMIT 1000000`), 'LIMIT keeps a number of rows'],
    [
      'keeps a number of events',
      sql(logins.sql.replace('silver_events', '(SELECT * FROM silver_events LIMIT 1000000) AS events')),
      'LIMIT keeps a number of rows',
    ],
    ['ends in a semicolon', sql(`${logins.sql};`), 'The SQL ends in a semicolon'],
    ['does not parse', sql('SELECT event_date FRM silver_events'), 'syntax error'],
    ['is several statements', sql(`${logins.sql}; ${logins.sql}`), 'Expected one statement, got several'],
    ['is no SELECT', sql('DELETE FROM silver_events'), 'Only SELECT statements'],
    [
      'reads bronze',
      sql(logins.sql.replace('silver_events', 'bronze.events')),
      'The SQL reads bronze.events',
    ],
    [
      'reads a file',
      sql(logins.sql.replace('silver_events', "read_parquet('a.parquet')")),
      'The SQL reads a table function',
    ],
    [
      'reads the clock',
      sql(`${logins.sql.replace('WHERE', 'WHERE event_date < now() AND')}`),
      'now() has another answer each time',
    ],
    [
      'rolls dice',
      sql(logins.sql.replace('COUNT(*)', 'COUNT(*) + CAST(random() AS BIGINT)')),
      'random() has another answer each time',
    ],
    [
      'has a function that Spark lacks',
      sql(logins.sql.replace('COUNT(*)', 'len(string_agg(page))')),
      'len() is not among the functions',
    ],
    ...['count_if(true)', "length(concat(page, 'a'))", 'dayofweek(event_date)', 'length(reverse(page))'].map(
      (call): [string, object, string] => [
        `has ${call}, which Spark answers otherwise`,
        sql(logins.sql.replace('COUNT(*)', `COUNT(*) + MAX(${call})`)),
        'is not among the functions',
      ],
    ),
    ...['EXTRACT(dow FROM event_date)', "date_part('epoch', timestamp)"].map(
      (call): [string, object, string] => [
        `has ${call}, which Spark answers otherwise`,
        sql(logins.sql.replace('COUNT(*)', `COUNT(*) + CAST(MAX(${call}) AS BIGINT)`)),
        'is not the same in DuckDB and Spark',
      ],
    ),
    [
      'counts characters from 0',
      sql(logins.sql.replace('COUNT(*)', 'COUNT(DISTINCT substring(page, 0, 2))')),
      'substring() from 0 is not the same',
    ],
    [
      'does not say where nulls come in a window',
      sql(
        'SELECT event_date, source, COUNT(*) AS login_count FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY event_date ORDER BY event_id) AS nth FROM silver_events) WHERE nth < 9 GROUP BY event_date, source',
      ),
      'ORDER BY in a window says nothing of nulls',
    ],
    [
      'has a cast that Spark lacks',
      sql(logins.sql.replace('COUNT(*)', 'COUNT(*)::BIGINT')),
      'a cast with ::',
    ],
    [
      'has QUALIFY',
      sql(
        `SELECT event_date, source, COUNT(*) AS login_count FROM silver_events GROUP BY event_date, source QUALIFY ROW_NUMBER() OVER (ORDER BY source) = 1`,
      ),
      'Spark cannot run QUALIFY',
    ],
    [
      'selects other columns',
      sql('SELECT event_date, source FROM silver_events GROUP BY event_date, source'),
      'The SQL selects event_date, source, and event_date, source, login_count are declared',
    ],
    [
      'selects another type',
      sql(logins.sql.replace('COUNT(*)', 'SUM(user_id)')),
      'login_count is HUGEINT in the SQL, and BIGINT is declared',
    ],
    [
      'has null',
      sql(logins.sql.replace('COUNT(*)', 'MIN(CAST(NULL AS BIGINT))')),
      'login_count is null in 4 rows',
    ],
    [
      'has a grain that is not unique',
      sql(
        'SELECT event_date, source, COUNT(*) AS login_count FROM silver_events GROUP BY event_date, source, page, user_id',
      ),
      'event_date, source names several rows, such as event_date 2026-11-20',
    ],
    [
      'picks rows by their place',
      sql(
        'SELECT event_date, source, user_id AS login_count FROM (SELECT event_date, source, user_id, ROW_NUMBER() OVER (PARTITION BY event_date, source) AS nth FROM silver_events) WHERE nth = 1',
      ),
      'The rows depend on the order of the events',
    ],
    [
      'looks at other days',
      sql(
        'SELECT event_date, source, (SELECT COUNT(*) FROM silver_events) AS login_count FROM silver_events GROUP BY event_date, source',
      ),
      'made from events of other days',
    ],
    [
      'breaks its own check',
      { checks: [{ kind: 'between', column: 'login_count', min: 100 }] },
      'break the check login_count is between 100 and any',
    ],
  ])('that %s is refused', async (_, change, problem) => {
    const [refusal] = await judged({ ...logins, ...change })

    expect(refusal?.problem).toContain(problem)
    expect(refusal?.advice).not.toBe('')
  })
})
