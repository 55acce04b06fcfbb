/**
 * The platform as a cell of a notebook sees it: tables with their types, SQL over the lake, SQL over ClickHouse.
 *
 * It reads the very configuration that the stages read, and writes nothing. What it declares names no type of a
 * library: the TypeScript of a notebook's kernel is older than theirs.
 */
import { isLakeError, LakeError } from '../lib/base/errors.ts'
import { identifier } from '../lib/duckdb/sql-text.ts'
import { type AnyRow, plainNumber } from '../lib/notebook/cell-value.ts'
import { openPlatform, type Platform } from '../pipeline/compose.ts'
import { readConfig } from '../pipeline/config.ts'
import { lakeTableNames } from '../pipeline/tables.ts'
import type { TableName, TableRows } from './rows.ts'

export interface RowsOptions<Column extends string = string> {
  /** These columns alone, in this order. */
  readonly columns?: readonly Column[]
  /** A condition in SQL: `event_type = 'purchase'`. */
  readonly where?: string
  /** In SQL: `event_date, source desc`. Without it the order is nobody's promise. */
  readonly orderBy?: string
  readonly limit?: number
  /** The table as it was at this version; the newest without it. */
  readonly version?: number
}

export interface TableSummary {
  readonly table: TableName
  readonly version: number
  readonly rows: number
  readonly files: number
  readonly sizeBytes: number
}

export interface Lake {
  /** Where the tables are. */
  readonly uri: string
  /** The tables that exist, in the order bronze, silver, gold. */
  tables(): Promise<TableSummary[]>
  /**
   * Rows of a table, with its types. All of it comes into memory: give a `where` or a `limit` for large ones.
   *
   * @throws LakeError `TABLE_MISSING` before landing or batch made it, `SQL_INVALID`, and `SCHEMA_MISMATCH` for a
   * whole number that no `number` holds exactly (read it as text, by `sql`).
   */
  rows<T extends TableName, C extends keyof TableRows[T] & string = keyof TableRows[T] & string>(
    table: T,
    options?: RowsOptions<C>,
  ): Promise<Pick<TableRows[T], C>[]>
  /**
   * DuckDB's SQL over the newest versions: `select * from gold.daily_active_users`. Whole numbers come as
   * `number`, and as bigint where that would round them.
   */
  sql<Row extends object = Readonly<Record<string, unknown>>>(query: string): Promise<Row[]>
  /** ClickHouse's SQL over `realtime`, `gold` and `serving`; `params` fill `{name:Type}`. */
  clickhouse<Row extends object = Readonly<Record<string, unknown>>>(
    query: string,
    params?: Readonly<Record<string, unknown>>,
  ): Promise<Row[]>
  /** Lets go of all that was opened. A kernel that ends does so as well. */
  close(): Promise<void>
}

/**
 * The lake that the environment names (`LAKE_HOME`, `LAKE_URI`, …). Opens nothing before it is asked.
 *
 * @throws LakeError `CONFIG_INVALID` naming each variable that is wrong.
 */
export function openLake(): Lake {
  return createLake(openPlatform(readConfig()))
}

/** The same over a platform that is open; closing the lake closes it. */
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

    tables: async () => {
      const summaries: TableSummary[] = []
      for (const table of lakeTableNames) {
        const summary = await summaryOf(platform, table)
        if (summary !== undefined) summaries.push(summary)
      }
      return summaries
    },

    rows: async <T extends TableName, C extends keyof TableRows[T] & string>(
      name: T,
      options: RowsOptions<C> = {},
    ) => {
      const { columns = [], where, orderBy, limit, version } = options
      const duckdb = await platform.duckdb()
      const table = await platform.table(name)
      const scan = await table.scan(await table.snapshot({ version }))
      const query = [
        `select ${columns.length === 0 ? '*' : columns.map(identifier).join(', ')} from (${scan})`,
        where === undefined ? '' : `where ${where}`,
        orderBy === undefined ? '' : `order by ${orderBy}`,
        limit === undefined ? '' : `limit ${Number(limit)}`,
      ].join(' ')
      const rows = await duckdb.use((session) => session.rows(query))
      return rows.map((row) => decodeRow<Pick<TableRows[T], C>>(name, row))
    },

    sql: <Row extends object>(query: string) =>
      oneByOne(async () => {
        const duckdb = await platform.duckdb()
        return duckdb.use(async (session) => {
          for (const name of lakeTableNames.filter((each) => mentions(query, each))) {
            await session.run(`create schema if not exists ${identifier(layerOf(name))}`)
            const table = await platform.table(name)
            const scan = await table.scan(await table.snapshot())
            await session.run(`create or replace view ${viewOf(name)} as ${scan}`)
          }
          return (await session.rows(query)).map((row) => plainRow<Row>(row))
        })
      }),

    clickhouse: async <Row extends object>(query: string, params: Readonly<Record<string, unknown>> = {}) => {
      const clickhouse = await platform.clickhouse()
      return [...(await clickhouse.query<Row>(query, { params }))]
    },

    close: async () => platform[Symbol.asyncDispose](),
  }
}

async function summaryOf(platform: Platform, name: TableName): Promise<TableSummary | undefined> {
  try {
    const snapshot = await (await platform.table(name)).snapshot()
    return {
      table: name,
      version: snapshot.version,
      rows: snapshot.numRecords ?? Number.NaN,
      files: snapshot.files.length,
      sizeBytes: snapshot.sizeBytes,
    }
  } catch (error) {
    if (isLakeError(error, 'TABLE_MISSING')) return undefined
    throw error
  }
}

function layerOf(name: TableName): string {
  return name.slice(0, name.indexOf('/'))
}

function viewOf(name: TableName): string {
  return name.split('/').map(identifier).join('.')
}

function mentions(query: string, name: TableName): boolean {
  const [layer = '', short = ''] = name.split('/')
  return new RegExp(`\\b${layer}"?\\s*\\.\\s*"?${short}\\b`, 'i').test(query)
}

/** Columns and types are those of the table, which `rows.ts` is held to. */
function decodeRow<Row>(table: TableName, row: AnyRow): Row {
  for (const [column, value] of Object.entries(row)) {
    if (typeof plainNumber(value) === 'bigint') {
      throw new LakeError(
        'SCHEMA_MISMATCH',
        `${table}: ${column} is ${String(value)}, which a number would round`,
        {
          details: { table, column },
          hint: `Read it as text: lake.sql("select ${column}::varchar from ${table.replace('/', '.')}")`,
        },
      )
    }
  }
  return plainRow<Row & object>(row)
}

function plainRow<Row extends object>(row: AnyRow): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plainNumber(value)])) as Row
}
