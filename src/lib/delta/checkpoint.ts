/**
 * A table's state as one Parquet file, so that opening costs the same after a week as after a minute.
 * Delta PROTOCOL.md, "Checkpoints".
 *
 * Removes are kept until their tombstone expires; every `txn` and domain is kept for ever, because a sink
 * finds its place in them.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { IoOptions } from '../base/io.ts'
import { formatJson } from '../base/json.ts'
import type { DuckDb } from '../duckdb/duckdb.ts'
import { text } from '../duckdb/sql-text.ts'
import type { ObjectStore } from '../storage/store.ts'
import { checkpointKey, lastCheckpointKey, type Version } from './log-path.ts'
import type { TableState } from './replay.ts'

const stringMap = 'MAP(VARCHAR, VARCHAR)'
const deletionVector =
  'STRUCT("storageType" VARCHAR, "pathOrInlineDv" VARCHAR, "offset" INTEGER, "sizeInBytes" INTEGER, "cardinality" BIGINT)'

const names = ['protocol', 'metaData', 'txn', 'domainMetadata', 'remove', 'add'] as const

/** One nullable struct an action: the columns of a checkpoint, as DuckDB types. */
const columns: Readonly<Record<(typeof names)[number], string>> = {
  txn: 'STRUCT("appId" VARCHAR, "version" BIGINT, "lastUpdated" BIGINT)',
  add: `STRUCT("path" VARCHAR, "partitionValues" ${stringMap}, "size" BIGINT, "modificationTime" BIGINT, "dataChange" BOOLEAN, "stats" VARCHAR, "tags" ${stringMap}, "deletionVector" ${deletionVector})`,
  remove: `STRUCT("path" VARCHAR, "deletionTimestamp" BIGINT, "dataChange" BOOLEAN, "extendedFileMetadata" BOOLEAN, "partitionValues" ${stringMap}, "size" BIGINT, "deletionVector" ${deletionVector})`,
  metaData: `STRUCT("id" VARCHAR, "name" VARCHAR, "description" VARCHAR, "format" STRUCT("provider" VARCHAR, "options" ${stringMap}), "schemaString" VARCHAR, "partitionColumns" VARCHAR[], "configuration" ${stringMap}, "createdTime" BIGINT)`,
  protocol:
    'STRUCT("minReaderVersion" INTEGER, "minWriterVersion" INTEGER, "readerFeatures" VARCHAR[], "writerFeatures" VARCHAR[])',
  domainMetadata: 'STRUCT("domain" VARCHAR, "configuration" VARCHAR, "removed" BOOLEAN)',
}

export interface CheckpointOptions extends IoOptions {
  /** Tombstones deleted before this are left out. Milliseconds since the epoch. */
  readonly expiredBeforeMs: number
}

/** Writes the checkpoint of `version`, then the hint that points at it. */
export async function writeCheckpoint(
  store: ObjectStore,
  duckdb: DuckDb,
  of: Version,
  state: TableState,
  { expiredBeforeMs, signal }: CheckpointOptions,
): Promise<void> {
  const rows = checkpointRows(state, expiredBeforeMs)
  const folder = join(store.stagingRoot, '_delta_log')
  // Names that begin with a dot belong to nobody who reads or cleans the log.
  const source = join(folder, `.${randomUUID()}.json.tmp`)
  const target = join(folder, `.${randomUUID()}.parquet.tmp`)
  await mkdir(dirname(source), { recursive: true })
  try {
    await writeFile(source, rows.map((row) => `${row}\n`).join(''))
    const types = names.map((name) => `${name}: ${text(columns[name])}`).join(', ')
    await duckdb.use((session) =>
      session.run(
        `copy (select ${names.join(', ')} from read_json(${text(source)}, format = 'newline_delimited', columns = {${types}}, maximum_object_size = 1073741824)) to ${text(target)} (format parquet, compression snappy)`,
        { signal },
      ),
    )
    await store.put(checkpointKey(of), await readFile(target), { signal })
  } finally {
    await rm(source, { force: true })
    await rm(target, { force: true })
  }
  await store.put(
    lastCheckpointKey,
    new TextEncoder().encode(formatJson({ version: of, size: rows.length, numOfAddFiles: state.files.size })),
    { signal },
  )
}

function checkpointRows(state: TableState, expiredBeforeMs: number): readonly string[] {
  const rows: string[] = []
  const put = (name: (typeof names)[number], body: unknown): void => {
    rows.push(formatJson({ [name]: body }))
  }
  if (state.protocol !== undefined) put('protocol', state.protocol)
  if (state.metadata !== undefined) put('metaData', state.metadata)
  for (const transaction of state.transactions.values()) put('txn', transaction)
  for (const domain of state.domains.values()) put('domainMetadata', domain)
  for (const tombstone of state.tombstones.values()) {
    if ((tombstone.deletionTimestamp ?? 0) >= expiredBeforeMs)
      put('remove', { ...tombstone, dataChange: false })
  }
  for (const file of state.files.values()) put('add', { ...file, dataChange: false })
  return rows
}
