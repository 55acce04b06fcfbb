/** A `Lake` over the parts of the platform. It reads the configuration that the stages read, and writes no table of the platform. */

import { isLakeError } from '../lib/base/errors.ts'
import type { IoOptions } from '../lib/base/io.ts'
import type { StatementOptions } from '../lib/clickhouse/clickhouse.ts'
import { clickhouseTuples } from '../lib/clickhouse/tuples.ts'
import type { Snapshot } from '../lib/delta/index.ts'
import { goldMetrics } from '../pipeline/model/gold.ts'
import { madeFrom } from '../pipeline/model/made-from.ts'
import { lakeTableNames } from '../pipeline/model/tables.ts'
import type { Platform } from '../pipeline/platform/compose.ts'
import { tryOn } from '../pipeline/platform/trial.ts'
import type { MetricDefinition } from '../pipeline/promotion/definition.ts'
import { prepareMetric } from '../pipeline/promotion/promotion.ts'
import { createLakeViews } from '../pipeline/query/lake-views.ts'
import { tableUnknown } from '../pipeline/query/unknown-table.ts'
import { type Answer, answerOf, plainRows } from './answer.ts'
import { ask } from './cell.ts'
import { checkIn } from './check.ts'
import type { Lake, MetricProblem, Staged, StageOptions, TableSummary, Trial } from './lake.ts'
import { booksOfTrial, createBooks, requireDay } from './platform-books.ts'
import { createRuns } from './platform-runs.ts'
import { createTable } from './platform-table.ts'
import type { TableName } from './rows.ts'
import { saveTable } from './save.ts'

/** Two statements at once would both replace the views of the database: the second waits for the first. */
type OneByOne = <T>(work: () => Promise<T>) => Promise<T>

function queue(): OneByOne {
  let before: Promise<unknown> = Promise.resolve()
  return (work) => {
    const mine = before.then(work)
    before = mine.catch(() => undefined)
    return mine
  }
}

/**
 * Closing the lake closes the platform. An interrupt of the kernel ends what is asked of either engine.
 *
 * @param oneByOne That of the other lakes over the same database.
 */
export function createLake(platform: Platform, oneByOne: OneByOne = queue()): Lake {
  const tables = (): Promise<TableSummary[]> =>
    ask('lake.tables', async (signal) => {
      const summaries: TableSummary[] = []
      for (const table of lakeTableNames) {
        const summary = await summaryOf(platform, table, { signal })
        if (summary !== undefined) summaries.push(summary)
      }
      return summaries
    })
  return {
    uri: platform.config.lakeUri,

    stage: (task, options = {}) =>
      ask(`lake.stage('${task}')`, (signal) =>
        oneByOne(() => trialIn(platform, oneByOne, task, options, { signal })),
      ),

    staged: () => ask('lake.staged', () => stagedIn(platform)),

    tables,

    table: (name) => createTable(platform, name),

    sql: <Row extends object>(query: string) =>
      ask('lake.sql', async (signal) =>
        rowsOf<Row>(await oneByOne(() => askDuckDb(platform, query, { signal }))),
      ),

    clickhouse: <Row extends object>(query: string, params: Readonly<Record<string, unknown>> = {}) =>
      ask('lake.clickhouse', async (signal) =>
        rowsOf<Row>(await askClickHouse(platform, query, { params, signal })),
      ),

    check: (of, expectations) =>
      ask('lake.check', (signal) => oneByOne(() => checkIn(platform, of, expectations, { signal }))),

    save: (name, of) =>
      ask(`lake.save('${name}')`, (signal) => oneByOne(() => saveTable(platform, name, of, { signal }))),

    metric: (definition) => ({
      name: definition.name,
      rows: () =>
        ask(`${definition.name}.rows`, async (signal) =>
          rowsOf(await oneByOne(() => askDuckDb(platform, overSilver(definition.sql), { signal }))),
        ),
      problems: () =>
        ask(`${definition.name}.problems`, (signal) => problemsOf(platform, definition, { signal })),
    }),

    ...createBooks(platform),
    ...createRuns(platform, tables),

    close: async () => platform[Symbol.asyncDispose](),
  }
}

const rowsOf = <Row extends object>({ columns, rows }: Answer): Row[] => plainRows<Row>(columns, rows)

async function trialIn(
  platform: Platform,
  oneByOne: OneByOne,
  task: string,
  { days, sample }: StageOptions,
  { signal }: IoOptions,
): Promise<Trial> {
  for (const day of days ?? []) requireDay(day)
  const { platform: overlaid, ...made } = await tryOn(platform, { task, days, sample }, { signal })
  return {
    task,
    tables: made.tables,
    rowsIn: made.rowsIn,
    rowsOut: made.rowsOut,
    lake: { ...createLake(overlaid, oneByOne), ...booksOfTrial },
  }
}

async function stagedIn(platform: Platform): Promise<Staged | null> {
  const shown = await platform.staged?.()
  if (shown === undefined) return null
  const { run, task, tables } = shown
  return {
    run,
    task,
    days: Object.fromEntries(Object.entries(tables).map(([name, { days }]) => [name, days])),
  }
}

async function askDuckDb(platform: Platform, query: string, { signal }: IoOptions): Promise<Answer> {
  const duckdb = await platform.duckdb()
  return duckdb.use(async (session) => {
    try {
      await createLakeViews(session, platform, query, { signal })
      return await answerOf(session.tuples(query, { signal }))
    } catch (error) {
      throw await tableUnknown(error, query, platform, { signal })
    }
  })
}

async function askClickHouse(platform: Platform, query: string, options: StatementOptions): Promise<Answer> {
  const clickhouse = await platform.clickhouse()
  const settings = { wait_end_of_query: 1 }
  return answerOf(clickhouseTuples(clickhouse, query, { ...options, settings }))
}

/** The SQL of a metric, over silver as readers see it. */
const overSilver = (sql: string): string =>
  `with silver_events as (select * from silver.events)\nselect * from (\n${sql}\n) order by all`

async function problemsOf(
  platform: Platform,
  definition: MetricDefinition,
  { signal }: IoOptions,
): Promise<MetricProblem[]> {
  const changes = goldMetrics.find(({ name }) => name === definition.name)?.name
  const found = await prepareMetric(platform, { value: definition, text: '{}', changes }, { signal })
  return found.kind === 'refused' ? [...found.refusals] : []
}

async function summaryOf(
  platform: Platform,
  name: TableName,
  options: IoOptions,
): Promise<TableSummary | undefined> {
  try {
    const snapshot = await (await platform.table(name)).snapshot(options)
    const version = await inputVersion(platform, name, snapshot)
    return {
      table: name,
      version: snapshot.version,
      rows: snapshot.numRecords ?? Number.NaN,
      files: snapshot.files.length,
      sizeBytes: snapshot.sizeBytes,
      ...(version !== undefined && { madeFrom: version }),
    }
  } catch (error) {
    if (isLakeError(error, 'TABLE_MISSING')) return undefined
    throw error
  }
}

async function inputVersion(
  platform: Platform,
  name: TableName,
  snapshot: Snapshot,
): Promise<TableSummary['madeFrom']> {
  if (name.startsWith('bronze/')) return undefined
  const table: TableName = name.startsWith('silver/') ? 'bronze/events' : 'silver/events'
  const inputTable = await platform.table(table)
  if (!(await inputTable.exists())) return undefined
  const input = await inputTable.snapshot()
  const version = snapshot.transactionVersion(madeFrom(table, input))
  return version === undefined ? undefined : { table, version }
}
