/**
 * From a definition in a notebook to a metric of production: judged on the lake's own rows, with the files that declare and
 * test it, and the proof that what production makes is what the notebook made.
 */
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { clickhouseTuples } from '../../lib/clickhouse/tuples.ts'
import { type DeltaTable, emptySelect, overwrite } from '../../lib/delta/index.ts'
import { createTemporaryTable } from '../../lib/duckdb/append.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { identifier } from '../../lib/duckdb/sql-text.ts'
import { plainRow } from '../../lib/notebook/cell-value.ts'
import { namedRows } from '../../lib/notebook/named-rows.ts'
import { typedColumns } from '../../lib/notebook/typed-columns.ts'
import { goldMetrics, goldSchemaOf } from '../model/gold.ts'
import { madeFrom } from '../model/made-from.ts'
import type { Platform } from '../platform/compose.ts'
import { judgeDefinition, type MetricDefinition, type Refusal } from './definition.ts'
import { judgeRows, metricRows } from './judge-rows.ts'
import { type FixtureEvent, metricFiles, type ProjectFiles, taskOf } from './metric-files.ts'
import { judgeSql, metricInput } from './sql-rules.ts'

export interface DefinedMetric {
  readonly value: unknown
  /** As it stands in the notebook. */
  readonly text: string
  /** The metric of this name that it takes the place of. */
  readonly changes: string | undefined
}

export type Prepared =
  | { readonly kind: 'refused'; readonly refusals: readonly Refusal[] }
  | {
      readonly kind: 'prepared'
      readonly definition: MetricDefinition
      readonly task: string
      readonly files: ProjectFiles
      /** What the notebook's SQL makes of silver now. */
      readonly rows: number
      readonly days: number
      /** Of a change: the days on which the rows come out otherwise. */
      readonly changedDays: readonly string[]
    }

/** How many events the test of a metric has; more where these make no row. */
const fixtureSizes = [40, 400, 4_000]

/** @throws LakeError `TABLE_MISSING` if no batch has run yet. */
export async function prepareMetric(
  platform: Platform,
  { value, text, changes }: DefinedMetric,
  { signal }: IoOptions = {},
): Promise<Prepared> {
  const declared = judgeDefinition(value, changes)
  if (declared.length > 0) return { kind: 'refused', refusals: declared }
  const definition = value as MetricDefinition
  const duckdb = await platform.duckdb()
  return duckdb.use(async (session): Promise<Prepared> => {
    const written = await judgeSql(session, definition.sql, { signal })
    if (written.length > 0) return { kind: 'refused', refusals: written }
    const silver = await platform.table('silver/events')
    const scan = await silver.scan(session, await silver.snapshot({ signal }), { signal })
    const nowMs = platform.clock.now()
    const refusals = await judgeRows(session, definition, scan, { nowMs, signal })
    if (refusals.length > 0) return { kind: 'refused', refusals }
    const { rows, days } = await session.row(
      `select count(*)::integer as rows, count(distinct event_date)::integer as days from ${metricRows}`,
      { signal },
    )
    if (rows === 0) {
      const problem = 'The SQL makes no row of the events that there are: nothing can be proved of it'
      return {
        kind: 'refused',
        refusals: [{ rule: 'rows', problem, advice: 'Try it where such events are.' }],
      }
    }
    const former = goldMetrics.find(({ name }) => name === definition.name)
    const changedDays =
      former === undefined ? [] : await differingDays(session, platform, definition, { signal })
    const task = former?.task ?? taskOf(definition.name)
    const position = former?.position ?? Math.max(0, ...goldMetrics.map((each) => each.position)) + 1
    const fixture = await fixtureOf(session, definition, { signal })
    const files = metricFiles({ definition, text, task, position, ...fixture })
    return { kind: 'prepared', definition, task, files, rows: Number(rows), days: Number(days), changedDays }
  })
}

/** Some events of the newest day that the metric has, and what it makes of them. */
async function fixtureOf(
  session: DuckDbSession,
  { sql }: MetricDefinition,
  { signal }: IoOptions,
): Promise<{ readonly events: readonly FixtureEvent[]; readonly rows: readonly object[] }> {
  for (const size of fixtureSizes) {
    await session.run(
      `create or replace temporary table fixture_events as
       select * replace (dense_rank() over (order by user_id) as user_id)
       from (
         select * from silver_of_metric where event_date = (select max(event_date) from ${metricRows})
         order by hash(event_id) limit ${size})
       order by kafka_partition, kafka_offset`,
      { signal },
    )
    await session.run(`create or replace temporary view ${metricInput} as select * from fixture_events`, {
      signal,
    })
    const rows = await session.rows(`select * from (\n${sql}\n) order by all`, { signal })
    if (rows.length === 0) continue
    const events = await session.rows(
      'select "timestamp", user_id, event_type, page, source from fixture_events',
      { signal },
    )
    return {
      events: events.map((row) => [
        String(row['timestamp']),
        Number(row['user_id']),
        String(row['event_type']),
        String(row['page']),
        String(row['source']),
      ]),
      rows: rows.map(plainRow),
    }
  }
  throw new LakeError('BUG', `No row of ${fixtureSizes.at(-1)} events of a day that has rows`)
}

async function differingDays(
  session: DuckDbSession,
  platform: Platform,
  { name, columns }: MetricDefinition,
  { signal }: IoOptions,
): Promise<readonly string[]> {
  const gold = await tableOf(platform, name)
  if (!(await gold.exists({ signal }))) return []
  const names = Object.keys(columns).map(identifier).join(', ')
  const scan = await gold.scan(session, await gold.snapshot({ signal }), { signal })
  const days = await session.rows(
    `with old as (select ${names} from (${scan}))
     select distinct event_date::varchar as day from (
       (select ${names} from ${metricRows} except all select * from old)
       union all (select * from old except all select ${names} from ${metricRows}))
     order by day`,
    { signal },
  )
  return days.map(({ day }) => String(day))
}

export interface Proof {
  /** Of the notebook's SQL, over the version of silver that production has read. */
  readonly rows: number
  /** Rows that one side alone has, at most 20; each says which. */
  readonly differences: readonly Readonly<Record<string, unknown>>[]
  /** The versions that were compared. */
  readonly silver: number
  readonly gold: number
}

const differencesNamed = 20

/** Compares what the SQL makes of silver with gold in Delta and in ClickHouse, row by row. */
export async function proveMetric(
  platform: Platform,
  { name, columns, sql }: MetricDefinition,
  { signal }: IoOptions = {},
): Promise<Proof> {
  const gold = await tableOf(platform, name)
  const made = await gold.snapshot({ signal })
  const silver = await platform.table('silver/events')
  const version = made.transactionVersion(madeFrom('silver/events', await silver.snapshot({ signal })))
  if (version === undefined) {
    throw new LakeError('BUG', `gold/${name}, version ${made.version}, does not say what it was made from`)
  }
  const read = await silver.snapshot({ version, signal })
  const clickhouse = await clickHouseRows(platform, name, Object.keys(columns), { signal })
  const duckdb = await platform.duckdb()
  return duckdb.use(async (session) => {
    const names = Object.keys(columns).map(identifier).join(', ')
    await session.run(
      `create or replace temporary view ${metricInput} as ${await silver.scan(session, read, { signal })}`,
      { signal },
    )
    await session.run(
      `create or replace temporary table ${metricRows} as select ${names} from (\n${sql}\n)`,
      {
        signal,
      },
    )
    const { rows } = await session.row(`select count(*)::integer as rows from ${metricRows}`, { signal })
    if (clickhouse.length > 0)
      await createTemporaryTable(session, 'clickhouse_texts', typedColumns(clickhouse))
    else
      await session.run(`create temporary table clickhouse_texts as from ${metricRows} limit 0`, { signal })
    const typed = await session.describe(`select * from ${metricRows}`, { signal })
    const cast = typed.map((column) => `cast(${identifier(column.name)} as ${column.type})`).join(', ')
    const sides: Readonly<Record<string, string>> = {
      'gold in Delta': `select ${names} from (${await gold.scan(session, made, { signal })})`,
      'gold in ClickHouse': `select ${cast} from clickhouse_texts`,
    }
    const differences: object[] = []
    for (const [side, select] of Object.entries(sides)) {
      const found = await session.rows(
        `(select 'the notebook alone' as only_in, * from (select * from ${metricRows} except all (${select})))
         union all (select '${side} alone', * from ((${select}) except all select * from ${metricRows}))
         limit ${differencesNamed}`,
        { signal },
      )
      differences.push(...found.map(plainRow))
    }
    return {
      rows: Number(rows),
      differences: differences as readonly Readonly<Record<string, unknown>>[],
      silver: read.version,
      gold: made.version,
    }
  })
}

async function clickHouseRows(
  platform: Platform,
  name: string,
  columns: readonly string[],
  { signal }: IoOptions,
): Promise<readonly object[]> {
  const select = `SELECT ${columns.map((column) => `toString(${identifier(column)}) AS ${identifier(column)}`).join(', ')} FROM gold.${identifier(name)}`
  const rows: object[] = []
  for await (const chunk of clickhouseTuples(await platform.clickhouse(), select, { signal }))
    rows.push(...namedRows(columns, chunk.rows))
  return rows
}

/** Of a metric that this process may not know yet. */
const tableOf = (platform: Platform, name: string): Promise<DeltaTable> =>
  platform.tableAt(`${platform.config.lakeUri}/gold/${name}`)

/** Gives the table of a metric that was demoted the columns of the new one, and no row. */
export async function clearLeftOver(
  platform: Platform,
  definition: MetricDefinition,
  { signal }: IoOptions = {},
): Promise<void> {
  if (goldMetrics.some(({ name }) => name === definition.name)) return
  const table = await tableOf(platform, definition.name)
  if (!(await table.exists({ signal }))) return
  const duckdb = await platform.duckdb()
  await duckdb.use((session) =>
    overwrite(
      table,
      { session, select: emptySelect(goldSchemaOf(definition)) },
      { overwriteSchema: true, signal },
    ),
  )
}
