/** A `Lake` over the parts of the platform. It reads the configuration that the stages read, and writes no table. */

import { isLakeError, LakeError } from '../lib/base/errors.ts'
import type { IoOptions } from '../lib/base/io.ts'
import type { StatementOptions } from '../lib/clickhouse/clickhouse.ts'
import { clickhouseTuples } from '../lib/clickhouse/tuples.ts'
import { type Snapshot, selectRows } from '../lib/delta/index.ts'
import { identifier } from '../lib/duckdb/sql-text.ts'
import { plainNumber } from '../lib/notebook/cell-value.ts'
import { namedRows } from '../lib/notebook/named-rows.ts'
import { madeFrom } from '../pipeline/model/made-from.ts'
import { lakeTableNames } from '../pipeline/model/tables.ts'
import type { Platform } from '../pipeline/platform/compose.ts'
import { createLakeViews } from '../pipeline/query/lake-views.ts'
import { chosenRelease, releasedSnapshot } from '../pipeline/query/released.ts'
import { tableUnknown } from '../pipeline/query/unknown-table.ts'
import { ask } from './cell.ts'
import { checkIn } from './check.ts'
import type { Lake, RowsOptions, TableSummary } from './lake.ts'
import { createBooks } from './platform-books.ts'
import type { TableName, TableRows } from './rows.ts'

/** Closing the lake closes the platform. An interrupt of the kernel ends what is asked of either engine. */
export function createLake(platform: Platform): Lake {
  // Two queries at once would both replace the views; the second waits for the first.
  let before: Promise<unknown> = Promise.resolve()
  const oneByOne = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = before.then(work)
    before = mine.catch(() => undefined)
    return mine
  }

  return {
    uri: platform.config.lakeUri,

    tables: () =>
      ask('lake.tables', async (signal) => {
        const summaries: TableSummary[] = []
        for (const table of lakeTableNames) {
          const summary = await summaryOf(platform, table, { signal })
          if (summary !== undefined) summaries.push(summary)
        }
        return summaries
      }),

    rows: <T extends TableName, C extends keyof TableRows[T] & string>(
      name: T,
      options: RowsOptions<C> = {},
    ) =>
      ask(`lake.rows('${name}')`, async (signal) => {
        const { columns, rows } = await rowsOf(platform, name, options, { signal })
        requireExact(name, columns, rows)
        return plainRows<Pick<TableRows[T], C>>(columns, rows)
      }),

    sql: <Row extends object>(query: string) =>
      ask('lake.sql', async (signal) => {
        const { columns, rows } = await oneByOne(() => answerOfDuckDb(platform, query, { signal }))
        return plainRows<Row>(columns, rows)
      }),

    clickhouse: <Row extends object>(query: string, params: Readonly<Record<string, unknown>> = {}) =>
      ask('lake.clickhouse', async (signal) => {
        const { columns, rows } = await answerOfClickHouse(platform, query, { params, signal })
        return plainRows<Row>(columns, rows)
      }),

    check: (of, expectations) =>
      ask('lake.check', (signal) => oneByOne(() => checkIn(platform, of, expectations, { signal }))),

    ...createBooks(platform),

    close: async () => platform[Symbol.asyncDispose](),
  }
}

interface Answer {
  readonly columns: readonly { readonly name: string }[]
  /** Values by the position of their column. */
  readonly rows: readonly (readonly unknown[])[]
}

async function rowsOf(
  platform: Platform,
  name: TableName,
  options: RowsOptions,
  { signal }: IoOptions,
): Promise<Answer> {
  const { where, version } = options
  const duckdb = await platform.duckdb()
  const table = await platform.table(name)
  return duckdb.use(async (session) => {
    const snapshot = await snapshotOf(platform, name, version, { signal })
    const selected = await selectRows(session, table, snapshot, { where, signal })
    return session.table(selectOf(selected, options), { signal })
  })
}

/** As the newest release has it, unless a version is asked for. */
async function snapshotOf(
  platform: Platform,
  name: TableName,
  version: number | undefined,
  { signal }: IoOptions,
): Promise<Snapshot> {
  const table = await platform.table(name)
  if (version !== undefined) return table.snapshot({ version, signal })
  const release = await chosenRelease(platform, undefined, { signal })
  return releasedSnapshot(name, table, { release, isChosen: false, signal })
}

async function answerOfDuckDb(platform: Platform, query: string, { signal }: IoOptions): Promise<Answer> {
  const duckdb = await platform.duckdb()
  return duckdb.use(async (session) => {
    try {
      await createLakeViews(session, platform, query, { signal })
      return await session.table(query, { signal })
    } catch (error) {
      throw await tableUnknown(error, query, platform, { signal })
    }
  })
}

async function answerOfClickHouse(
  platform: Platform,
  query: string,
  options: StatementOptions,
): Promise<Answer> {
  const clickhouse = await platform.clickhouse()
  let columns: Answer['columns'] = []
  const all: (readonly unknown[])[] = []
  const settings = { wait_end_of_query: 1 }
  for await (const chunk of clickhouseTuples(clickhouse, query, { ...options, settings })) {
    columns = chunk.columns.map((name) => ({ name }))
    for (const row of chunk.rows) all.push(row)
  }
  return { columns, rows: all }
}

function selectOf(selected: string, { columns = [], orderBy, limit }: RowsOptions): string {
  return [
    `select ${columns.length === 0 ? '*' : columns.map(identifier).join(', ')} from (${selected})`,
    // On lines of their own: a comment at the end of one ends there.
    ...(orderBy === undefined ? [] : [`order by ${orderBy}`]),
    ...(limit === undefined ? [] : [`limit ${Number(limit)}`]),
  ].join('\n')
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

/** The rows have a type, by which whole numbers are `number`. */
function requireExact(
  table: TableName,
  columns: Answer['columns'],
  rows: readonly (readonly unknown[])[],
): void {
  for (const row of rows) {
    const at = row.findIndex((value) => typeof plainNumber(value) === 'bigint')
    if (at === -1) continue
    const column = columns[at]?.name ?? ''
    throw new LakeError(
      'SCHEMA_MISMATCH',
      `${table}: ${column} is ${String(row[at])}, which a number would round`,
      {
        details: {
          table,
          column,
          fault: 'rounded-number',
          asText: `lake.sql("select ${column}::varchar from ${table.replace('/', '.')}")`,
        },
      },
    )
  }
}

/** Columns and types are those that the caller names; `rows.ts` is held to those of the tables. */
function plainRows<Row>(columns: Answer['columns'], rows: readonly (readonly unknown[])[]): Row[] {
  const plain = rows.map((values) => values.map(plainNumber))
  return namedRows(
    columns.map(({ name }) => name),
    plain,
  ) as Row[]
}
