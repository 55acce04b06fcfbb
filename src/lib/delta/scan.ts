/**
 * A snapshot as SQL that DuckDB can read from.
 *
 * Partition values come from the log alone, never from folder names; a column that a file lacks is null.
 */
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { identifier, list, text } from '../duckdb/sql-text.ts'
import type { ObjectStore } from '../storage/store.ts'
import type { AddFile } from './actions.ts'
import { decodeFilePath } from './file-path.ts'
import { duckDbType, type StructType } from './schema.ts'
import type { Snapshot } from './snapshot.ts'

export interface ScanOptions extends IoOptions {
  /** A part of the snapshot's files; all of them without it. */
  readonly files?: readonly AddFile[]
}

/** A SELECT with the columns of the schema, in its order. */
export async function scanSelect(
  store: ObjectStore,
  snapshot: Snapshot,
  { files = snapshot.files, signal }: ScanOptions = {},
): Promise<string> {
  const { schema, partitionColumns } = snapshot
  const empty = emptySelect(schema)
  if (files.length === 0) return empty
  const paths: string[] = []
  for (const file of files) {
    if (file.deletionVector !== undefined) {
      throw new LakeError('PROTOCOL_UNSUPPORTED', `Cannot read ${store.uri}: it needs deletionVectors`)
    }
    paths.push(await localPath(store, file, { signal }))
  }
  const stored = schema.fields.filter(({ name }) => !partitionColumns.includes(name))
  const typed = emptySelect({ type: 'struct', fields: stored }, ['null::varchar as filename'])
  const source = `${typed} union all by name select * from read_parquet(${list(paths.map(globFree).map(text))}, union_by_name = true, hive_partitioning = false, filename = true)`
  if (partitionColumns.length === 0) return `select ${columnList(schema)} from (${source})`
  const places = files.map((file, index) => {
    const values = partitionColumns.map((name) => partitionLiteral(file.partitionValues[name]))
    return `(${[text(paths[index] ?? ''), ...values].join(', ')})`
  })
  const names = ['filename', ...partitionColumns].map(identifier).join(', ')
  const select = schema.fields.map(({ name, type }) =>
    partitionColumns.includes(name)
      ? `cast(place.${identifier(name)} as ${duckDbType(type)}) as ${identifier(name)}`
      : `row.${identifier(name)}`,
  )
  return `select ${select.join(', ')} from (${source}) as row join (values ${places.join(', ')}) as place(${names}) on row.filename = place.filename`
}

/** The schema without rows. */
export function emptySelect(schema: StructType, further: readonly string[] = []): string {
  const columns = schema.fields.map(({ name, type }) => `null::${duckDbType(type)} as ${identifier(name)}`)
  return `select ${[...columns, ...further].join(', ')} where false`
}

function columnList(schema: StructType): string {
  return schema.fields.map(({ name }) => identifier(name)).join(', ')
}

async function localPath(store: ObjectStore, file: AddFile, options: IoOptions): Promise<string> {
  const location = decodeFilePath(file.path)
  return location.kind === 'relative' ? store.localFile(location.key, options) : location.uri
}

function partitionLiteral(value: string | null | undefined): string {
  return value === null || value === undefined || value === '' ? 'null::varchar' : text(value)
}

/** `read_parquet` reads `*`, `?` and `[` in a name as patterns. */
function globFree(path: string): string {
  return path.replace(/[*?[]/g, '[$&]')
}
