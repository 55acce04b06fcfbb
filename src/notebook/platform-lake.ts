/** A `Lake` over the parts of the platform. It reads the configuration that the stages read, and writes nothing. */

import { isLakeError, LakeError } from '../lib/base/errors.ts'
import { type Snapshot, selectRows } from '../lib/delta/index.ts'
import { identifier } from '../lib/duckdb/sql-text.ts'
import { type AnyRow, plainNumber } from '../lib/notebook/cell-value.ts'
import { madeFrom } from '../pipeline/model/made-from.ts'
import { lakeTableNames } from '../pipeline/model/tables.ts'
import type { Platform } from '../pipeline/platform/compose.ts'
import { createLakeViews } from '../pipeline/query/lake-views.ts'
import { chosenRelease, releasedSnapshot } from '../pipeline/query/released.ts'
import type { Lake, RowsOptions, TableSummary } from './lake.ts'
import type { TableName, TableRows } from './rows.ts'

/** Closing the lake closes the platform. */
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
      const rows = await duckdb.use(async (session) => {
        const snapshot = await snapshotOf(platform, name, version)
        const selected = await selectRows(session, table, snapshot, { where })
        const query = [
          `select ${columns.length === 0 ? '*' : columns.map(identifier).join(', ')} from (${selected})`,
          // On lines of their own: a comment at the end of one ends there.
          ...(orderBy === undefined ? [] : [`order by ${orderBy}`]),
          ...(limit === undefined ? [] : [`limit ${Number(limit)}`]),
        ].join('\n')
        return await session.rows(query)
      })
      return rows.map((row) => decodeRow<Pick<TableRows[T], C>>(name, row))
    },

    sql: <Row extends object>(query: string) =>
      oneByOne(async () => {
        const duckdb = await platform.duckdb()
        return duckdb.use(async (session) => {
          await createLakeViews(session, platform, query)
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

/** As the newest release has it, unless a version is asked for. */
async function snapshotOf(
  platform: Platform,
  name: TableName,
  version: number | undefined,
): Promise<Snapshot> {
  const table = await platform.table(name)
  if (version !== undefined) return table.snapshot({ version })
  const release = await chosenRelease(platform, undefined)
  return releasedSnapshot(name, table, { release, isChosen: false })
}

async function summaryOf(platform: Platform, name: TableName): Promise<TableSummary | undefined> {
  try {
    const snapshot = await (await platform.table(name)).snapshot()
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

/** Columns and types are those of the table, which `rows.ts` is held to. */
function decodeRow<Row>(table: TableName, row: AnyRow): Row {
  for (const [column, value] of Object.entries(row)) {
    if (typeof plainNumber(value) === 'bigint') {
      throw new LakeError(
        'SCHEMA_MISMATCH',
        `${table}: ${column} is ${String(value)}, which a number would round`,
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
  return plainRow<Row & object>(row)
}

function plainRow<Row extends object>(row: AnyRow): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plainNumber(value)])) as Row
}
