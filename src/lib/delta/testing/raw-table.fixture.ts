/** Tables as other writers make them: the log by hand, the files as DuckDB is told to write them. */
import { join } from 'node:path'
import type { DuckDb } from '../../duckdb/duckdb.ts'
import { text } from '../../duckdb/sql-text.ts'
import type { ObjectStore } from '../../storage/store.ts'
import { type Action, type AddFile, encodeActions } from '../log/actions.ts'
import { commitKey, version } from '../log/log-path.ts'
import type { Metadata, Protocol } from '../protocol/metadata.ts'
import { encodeSchema, type StructType } from '../schema/schema.ts'
import { DeltaTable } from '../table.ts'

export interface RawTable {
  readonly schema: StructType
  readonly protocol?: Protocol
  readonly partitionColumns?: readonly string[]
  readonly configuration?: Metadata['configuration']
  readonly files?: readonly AddFile[]
}

export const legacyProtocol: Protocol = { minReaderVersion: 1, minWriterVersion: 2 }

export function withFeatures(...names: readonly string[]): Protocol {
  return { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: names, writerFeatures: names }
}

export function metadataOf({ schema, partitionColumns = [], configuration = {} }: RawTable): Metadata {
  return {
    id: 'x',
    format: { provider: 'parquet', options: {} },
    schemaString: encodeSchema(schema),
    partitionColumns,
    configuration,
  }
}

/** Version 0 of a table. */
export async function createRawTable(
  store: ObjectStore,
  duckdb: DuckDb,
  table: RawTable,
): Promise<DeltaTable> {
  const actions: readonly Action[] = [
    { protocol: table.protocol ?? legacyProtocol },
    { metaData: metadataOf(table) },
    ...(table.files ?? []).map((add) => ({ add })),
  ]
  await store.put(commitKey(version(0)), encodeActions(actions))
  return new DeltaTable({ store, duckdb })
}

/** @param options Of `COPY`, such as `field_ids {a: 1}`. */
export async function writeRawFile(
  store: ObjectStore,
  duckdb: DuckDb,
  name: string,
  select: string,
  { options = '', ...file }: Partial<AddFile> & { readonly options?: string } = {},
): Promise<AddFile> {
  const copy = ['format parquet', ...(options === '' ? [] : [options])].join(', ')
  await duckdb.use((session) =>
    session.run(`copy (${select}) to ${text(join(store.stagingRoot, name))} (${copy})`),
  )
  await store.publish([name])
  return { path: name, partitionValues: {}, size: 1, modificationTime: 0, dataChange: true, ...file }
}
