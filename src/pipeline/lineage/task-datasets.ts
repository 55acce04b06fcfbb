/** The datasets that each task of the batch reads and writes, by the naming rules of OpenLineage. */
import type { IoOptions } from '../../lib/base/io.ts'
import type { TableVersions } from '../../lib/dag/recorder.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import type { Dataset, DatasetName, OutputDataset } from '../../lib/lineage/run-event.ts'
import { declaredSelect, inputOf, loadTask, tablesMade } from '../batch/tasks.ts'
import { viewOf } from '../model/checks.ts'
import { goldMetrics } from '../model/gold.ts'
import { columnNames, type LakeTable, lakeTables } from '../model/tables.ts'
import type { Config } from '../platform/config.ts'
import { type ColumnOrigins, columnOrigins } from './column-lineage.ts'

export interface TaskDatasets {
  readonly inputs: readonly Dataset[]
  readonly outputs: readonly OutputDataset[]
}

export interface TaskFacts {
  readonly inputs?: TableVersions | undefined
  readonly versionsAfter?: TableVersions | undefined
  readonly rowsOut?: number | undefined
}

/** Of the tables that tasks make. */
export async function originsOfTables(
  duckdb: DuckDb,
  { signal }: IoOptions = {},
): Promise<ReadonlyMap<LakeTable, ColumnOrigins>> {
  return duckdb.use(async (session) => {
    const found = new Map<LakeTable, ColumnOrigins>()
    for (const [task, tables] of tablesMade) {
      const from = inputOf(task)
      const input = { name: viewOf(from), columns: columnNames(lakeTables[from].schema) }
      for (const table of tables) {
        found.set(table, await columnOrigins(session, declaredSelect(table), input, { signal }))
      }
    }
    return found
  })
}

/** S3: bucket and key. A file system: `file`, and the path. */
export function datasetName(lakeUri: string, table: string): DatasetName {
  const { bucket, prefix } = /^s3:\/\/(?<bucket>[^/]+)\/?(?<prefix>.*)$/.exec(lakeUri)?.groups ?? {}
  if (bucket === undefined) return { namespace: 'file', name: `${lakeUri}/${table}` }
  return { namespace: `s3://${bucket}`, name: prefix ? `${prefix}/${table}` : table }
}

/** Of a task that makes no table and loads none, such as an audit: nothing. */
export function datasetsOf(
  { lakeUri, clickhouse }: Pick<Config, 'lakeUri' | 'clickhouse'>,
  task: string,
  { inputs, versionsAfter, rowsOut }: TaskFacts,
  origins: ReadonlyMap<LakeTable, ColumnOrigins>,
): TaskDatasets {
  const ofTable = (table: LakeTable, versions: TableVersions | undefined): Dataset => {
    const version = versions?.[table]
    return {
      ...datasetName(lakeUri, table),
      fields: lakeTables[table].schema.fields.map(({ name, type }) => ({ name, type: typeText(type) })),
      ...(typeof version === 'number' && { version: String(version) }),
    }
  }
  const gold = goldMetrics.map(({ name }) => `gold/${name}` as const)
  if (task === loadTask) {
    return {
      inputs: gold.map((table) => ofTable(table, inputs)),
      // The embedded server has no address that lasts.
      outputs:
        clickhouse === undefined
          ? []
          : goldMetrics.map(({ name }) => ({
              namespace: clickhouseNamespace(clickhouse.url),
              name: `gold.${name}`,
            })),
    }
  }
  const made = tablesMade.get(task) ?? []
  if (made.length === 0) return { inputs: [], outputs: [] }
  const from = inputOf(task)
  return {
    inputs: [ofTable(from, inputs)],
    outputs: made.map((table) => ({
      ...ofTable(table, versionsAfter),
      // Of several tables it is not told how many rows each has got.
      ...(made.length === 1 && rowsOut !== undefined && { rows: rowsOut }),
      ...lineageOf(origins.get(table), datasetName(lakeUri, from)),
    })),
  }
}

function lineageOf(
  origins: ColumnOrigins | undefined,
  from: DatasetName,
): Pick<OutputDataset, 'columnLineage'> {
  if (origins === undefined || origins.size === 0) return {}
  return {
    columnLineage: Object.fromEntries(
      [...origins].map(([column, fields]) => [column, fields.map((field) => ({ ...from, field }))]),
    ),
  }
}

function clickhouseNamespace(url: string): string {
  const { hostname, port, protocol } = new URL(url)
  return `clickhouse://${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`
}

const typeText = (type: unknown): string =>
  typeof type === 'string'
    ? type
    : typeof type === 'object' && type !== null && 'type' in type
      ? String(type.type)
      : 'unknown'
