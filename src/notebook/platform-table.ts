/** A table of the platform as a cell sees it: at the newest release, unless the cell asks for another point. */
import { LakeError } from '../lib/base/errors.ts'
import type { IoOptions } from '../lib/base/io.ts'
import { diffVersions, duckDbType, readHistory, type Snapshot, selectRows } from '../lib/delta/index.ts'
import { identifier } from '../lib/duckdb/sql-text.ts'
import { plainNumber } from '../lib/notebook/cell-value.ts'
import { runOf } from '../pipeline/model/made-from.ts'
import { isLakeTable, lakeTableNames, rowKey } from '../pipeline/model/tables.ts'
import type { Platform } from '../pipeline/platform/compose.ts'
import { readersView } from '../pipeline/query/released.ts'
import { type Answer, answerOf, plainRows } from './answer.ts'
import { arrowOf } from './arrow.ts'
import { ask } from './cell.ts'
import { checkTable } from './check.ts'
import { frameOf } from './frame.ts'
import type { TableName, TableRows } from './rows.ts'
import type { ColumnSchema, Point, RowsOptions, Table, TableDiff, TableVersion } from './table.ts'

/** Lines of a diff that a cell gets; the counts are of all. */
const mostDiffRows = 1_000

/** @param point Without it the newest release, and of bronze the newest version. */
export function createTable<Name extends TableName>(
  platform: Platform,
  name: Name,
  point?: Point,
): Table<Name> {
  const call = (method: string): string => `lake.table('${name}').${method}`
  const snapshot = (options: IoOptions): Promise<Snapshot> => snapshotAt(platform, name, point, options)

  return {
    name,
    rows: <Column extends keyof TableRows[Name] & string>(options: RowsOptions<Column> = {}) =>
      ask(call('rows'), async (signal) => {
        const { columns, rows } = await rowsOf(platform, name, await snapshot({ signal }), options, {
          signal,
        })
        requireExact(name, columns, rows)
        return plainRows<Pick<TableRows[Name], Column>>(columns, rows)
      }),

    frame: (options = {}) =>
      ask(call('frame'), async (signal) => {
        const { columns, rows } = await rowsOf(platform, name, await snapshot({ signal }), options, {
          signal,
        })
        return frameOf(plainRows<object>(columns, rows))
      }),

    arrow: (options = {}) =>
      ask(call('arrow'), async (signal) =>
        arrowOf(await platform.table(name), await snapshot({ signal }), options, { signal }),
      ),

    at: (other) => createTable(platform, name, requirePoint(name, other)),

    history: () => ask(call('history'), (signal) => historyOf(platform, name, { signal })),

    schema: () => ask(call('schema'), async (signal) => columnsOf(await snapshot({ signal }))),

    diff: (from, to) =>
      ask(call('diff'), async (signal) => {
        const before = await snapshotAt(platform, name, from, { signal })
        const after = await snapshotAt(platform, name, to ?? point, { signal })
        return diffOf(platform, name, before, after, { signal })
      }),

    check: (expectations) =>
      ask(call('check'), async (signal) =>
        checkTable(platform, name, await snapshot({ signal }), expectations, { signal }),
      ),
  }
}

/** @throws LakeError `VERSION_MISSING`, `RELEASE_MISSING`; `USAGE` for a text that is no time. */
async function snapshotAt(
  platform: Platform,
  name: TableName,
  point: Point | undefined,
  { signal }: IoOptions,
): Promise<Snapshot> {
  // What the compiler holds a cell to, a value of type `any` may not keep.
  if (!isLakeTable(name)) {
    throw new LakeError('TABLE_MISSING', `${String(name)}: there is no such table`, {
      details: { table: String(name), known: [...lakeTableNames] },
    })
  }
  const table = await platform.table(name)
  if (typeof point === 'number') return table.snapshot({ version: point, signal })
  if (typeof point === 'string') return table.snapshot({ timestampMs: timeOf(name, point), signal })
  if (point !== undefined && !Number.isInteger(point?.release)) throw wrongPoint(name, point)
  return (await readersView(platform, point?.release, { signal })).snapshot(name, table, { signal })
}

async function historyOf(
  platform: Platform,
  name: TableName,
  { signal }: IoOptions,
): Promise<TableVersion[]> {
  const versions: TableVersion[] = []
  for await (const entry of readHistory((await platform.table(name)).store, { signal })) {
    const { version, timestampMs, operation = null } = entry
    versions.push({ version, at: new Date(timestampMs).toISOString(), operation, run: runOf(entry) ?? null })
  }
  return versions
}

function columnsOf({ schema }: Snapshot): ColumnSchema[] {
  return schema.fields.map(({ name, type, nullable, metadata }) => {
    const comment = metadata['comment']
    return {
      column: name,
      type: duckDbType(type),
      nullable,
      comment: typeof comment === 'string' ? comment : null,
    }
  })
}

/** No point at all would read the newest version. */
function requirePoint(name: TableName, point: Point): Point {
  if (typeof point === 'number' || typeof point === 'string' || typeof point?.release === 'number')
    return point
  throw wrongPoint(name, point)
}

/** The end of a day, or a time. */
function timeOf(name: TableName, point: string): number {
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(point)
  const timestampMs = Date.parse(isDay ? `${point}T23:59:59.999Z` : point)
  const isTime = /^\d{4}-\d{2}-\d{2}(T.*Z)?$/.test(point) && !Number.isNaN(timestampMs)
  // Date.parse takes the 30th of February for the 2nd of March.
  if (isTime && new Date(timestampMs).toISOString().startsWith(point.slice(0, '2026-01-31'.length)))
    return timestampMs
  throw wrongPoint(name, point)
}

function wrongPoint(name: TableName, point: unknown): LakeError {
  const given = typeof point === 'string' ? point : JSON.stringify(point)
  return new LakeError(
    'USAGE',
    `${name} at ${given}: expected a version, a UTC day such as 2026-01-31, a time such as 2026-01-31T12:00:00Z, or { release: 1 }`,
  )
}

async function rowsOf(
  platform: Platform,
  name: TableName,
  snapshot: Snapshot,
  { where, ...options }: RowsOptions,
  { signal }: IoOptions,
): Promise<Answer> {
  const duckdb = await platform.duckdb()
  const table = await platform.table(name)
  return duckdb.use(async (session) => {
    const selected = await selectRows(session, table, snapshot, { where, signal })
    return answerOf(session.tuples(selectOf(selected, options), { signal }))
  })
}

function selectOf(selected: string, { columns = [], orderBy, limit }: Omit<RowsOptions, 'where'>): string {
  return [
    `select ${columns.length === 0 ? '*' : columns.map(identifier).join(', ')} from (${selected})`,
    // On lines of their own: a comment at the end of one ends there.
    ...(orderBy === undefined ? [] : [`order by ${orderBy}`]),
    ...(limit === undefined ? [] : [`limit ${requireCount(limit)}`]),
  ].join('\n')
}

/** @throws LakeError `USAGE` */
function requireCount(limit: number): number {
  if (Number.isSafeInteger(limit) && limit >= 0) return limit
  throw new LakeError('USAGE', `limit: expected a whole number from 0, got ${String(limit)}`)
}

async function diffOf(
  platform: Platform,
  name: TableName,
  before: Snapshot,
  after: Snapshot,
  { signal }: IoOptions,
): Promise<TableDiff> {
  const duckdb = await platform.duckdb()
  const table = await platform.table(name)
  return duckdb.use(async (session) => {
    const { added, removed, changed, select } = await diffVersions(session, table, before, after, {
      key: rowKey(name),
      signal,
    })
    const lines = `select * from (${select}) limit ${mostDiffRows}`
    const { columns, rows } = await answerOf(session.tuples(lines, { signal }))
    return {
      table: name,
      from: before.version,
      to: after.version,
      added,
      removed,
      changed,
      rows: plainRows<TableDiff['rows'][number]>(columns, rows),
    }
  })
}

/** The rows have a type, by which whole numbers are `number`. */
function requireExact(table: TableName, columns: Answer['columns'], rows: Answer['rows']): void {
  for (const row of rows) {
    const at = row.findIndex((value) => typeof plainNumber(value) === 'bigint')
    if (at === -1) continue
    const column = columns[at] ?? ''
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
