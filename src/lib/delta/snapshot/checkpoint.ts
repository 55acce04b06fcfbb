/**
 * Writes the state of a table as one Parquet file, or as a V2 checkpoint with sidecars, so that opening a table does
 * not get slower with its age. Delta PROTOCOL.md, "Checkpoints" and "V2 Spec".
 *
 * Removes are kept until their tombstone expires. Every `txn` and domain is kept for ever, because a sink finds its
 * position in them. Readers see a checkpoint only once its last file is written, which is put as a whole.
 */
import { randomUUID } from 'node:crypto'
import { open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolders } from '../../base/files/folders.ts'
import type { IoOptions } from '../../base/io.ts'
import { formatJson, type JsonValue } from '../../base/json.ts'
import type { DuckDb } from '../../duckdb/duckdb.ts'
import { text } from '../../duckdb/sql-text.ts'
import type { ObjectStore } from '../../storage/store.ts'
import { encodeLastCheckpoint } from '../log/last-checkpoint.ts'
import {
  checkpointKey,
  checkpointV2Key,
  lastCheckpointKey,
  logFolder,
  sidecarFolder,
  type Version,
} from '../log/log-path.ts'
import { openParquetSeal, openSeal, sealed, sealParquet } from '../log/seal.ts'
import { type StatisticsForms, statisticsForms } from './checkpoint-statistics.ts'
import type { TableState } from './replay.ts'

const stringMap = 'MAP(VARCHAR, VARCHAR)'
const deletionVector =
  'STRUCT("storageType" VARCHAR, "pathOrInlineDv" VARCHAR, "offset" INTEGER, "sizeInBytes" INTEGER, "cardinality" BIGINT)'

const fileNames = ['remove', 'add'] as const
const names = ['protocol', 'metaData', 'txn', 'domainMetadata', ...fileNames] as const
type Name = (typeof names)[number]

const addFields: Readonly<Record<string, string>> = {
  path: 'VARCHAR',
  partitionValues: stringMap,
  size: 'BIGINT',
  modificationTime: 'BIGINT',
  dataChange: 'BOOLEAN',
  stats: 'VARCHAR',
  tags: stringMap,
  deletionVector,
  baseRowId: 'BIGINT',
  defaultRowCommitVersion: 'BIGINT',
  clusteringProvider: 'VARCHAR',
}

/** One nullable struct an action: the columns of a checkpoint, as DuckDB types. */
const columns: Readonly<Record<Exclude<Name, 'add'>, string>> = {
  txn: 'STRUCT("appId" VARCHAR, "version" BIGINT, "lastUpdated" BIGINT)',
  remove: `STRUCT("path" VARCHAR, "deletionTimestamp" BIGINT, "dataChange" BOOLEAN, "extendedFileMetadata" BOOLEAN, "partitionValues" ${stringMap}, "size" BIGINT, "deletionVector" ${deletionVector})`,
  metaData: `STRUCT("id" VARCHAR, "name" VARCHAR, "description" VARCHAR, "format" STRUCT("provider" VARCHAR, "options" ${stringMap}), "schemaString" VARCHAR, "partitionColumns" VARCHAR[], "configuration" ${stringMap}, "createdTime" BIGINT)`,
  protocol:
    'STRUCT("minReaderVersion" INTEGER, "minWriterVersion" INTEGER, "readerFeatures" VARCHAR[], "writerFeatures" VARCHAR[])',
  domainMetadata: 'STRUCT("domain" VARCHAR, "configuration" VARCHAR, "removed" BOOLEAN)',
}

/** The columns that `names` stand for: their types in the rows of JSON, and SQL that makes of them what is written. */
interface Layout {
  readonly names: readonly Name[]
  readonly forms: StatisticsForms
}

function typeOf(name: Name, { json, struct }: StatisticsForms): string {
  if (name !== 'add') return columns[name]
  const fields = Object.entries(addFields).filter(([field]) => json || field !== 'stats')
  if (struct !== undefined) fields.push(['stats_parsed', struct.textsType])
  return `STRUCT(${fields.map(([field, type]) => `"${field}" ${type}`).join(', ')})`
}

function selectOf(name: Name, { json, struct }: StatisticsForms): string {
  if (name !== 'add' || struct === undefined) return name
  const fields = Object.keys(addFields)
    .filter((field) => json || field !== 'stats')
    .map((field) => [field, `add."${field}"`] as const)
  const all = [...fields, ...Object.entries(struct.fields)]
  return `case when add is not null then struct_pack(${all.map(([field, sql]) => `"${field}" := ${sql}`).join(', ')}) end as add`
}

export interface CheckpointOptions extends IoOptions {
  /** Tombstones deleted before this are left out. Milliseconds since the epoch. */
  readonly expiredBeforeMs: number
  /** One Parquet file without it. */
  readonly policy?: 'classic' | 'v2'
}

/** A sidecar has so many files. */
const filesInSidecar = 100_000
/** Rows are written so many at a time. */
const rowsAtATime = 1_000

/** Writes the checkpoint of `version`, then the hint that points at it. */
export async function writeCheckpoint(
  store: ObjectStore,
  duckdb: DuckDb,
  of: Version,
  state: TableState,
  { expiredBeforeMs, policy = 'classic', signal }: CheckpointOptions,
): Promise<void> {
  await makeFolders(join(store.stagingRoot, logFolder))
  const named = namedRows(state)
  const forms: StatisticsForms =
    state.metadata === undefined ? { json: true, struct: undefined } : statisticsForms(state.metadata)
  const files = fileRows(state, expiredBeforeMs, forms)
  const written =
    policy === 'v2'
      ? await writeV2(store, duckdb, of, { named, files, forms }, { signal })
      : await writeClassic(store, duckdb, of, { named, files, forms }, { signal })
  const hint = encodeLastCheckpoint({ version: of, numOfAddFiles: state.files.size, ...written })
  await store.put(lastCheckpointKey, hint, { signal })
}

interface Rows {
  readonly named: readonly string[]
  readonly files: Generator<string, undefined>
  readonly forms: StatisticsForms
}

type Hint = { readonly [key: string]: JsonValue }

async function writeClassic(
  store: ObjectStore,
  duckdb: DuckDb,
  of: Version,
  { named, files, forms }: Rows,
  { signal }: IoOptions,
): Promise<Hint> {
  const target = join(store.stagingRoot, logFolder, `.${randomUUID()}.parquet.tmp`)
  try {
    const size = await writeRows(store, duckdb, chained([named, files]), target, { names, forms }, { signal })
    const bytes = await readFile(target)
    await store.put(checkpointKey(of), bytes, { signal })
    return { size, sizeInBytes: bytes.byteLength }
  } finally {
    await rm(target, { force: true })
  }
}

/** The sidecars first, which nobody looks for; then the one file, as JSON, that names them. */
async function writeV2(
  store: ObjectStore,
  duckdb: DuckDb,
  of: Version,
  { named, files, forms }: Rows,
  { signal }: IoOptions,
): Promise<Hint> {
  await makeFolders(join(store.stagingRoot, sidecarFolder))
  const sidecars: Hint[] = []
  let size = named.length
  const layout: Layout = { names: fileNames, forms }
  for (let first = files.next(); first.done !== true; first = files.next()) {
    const rows = upTo(filesInSidecar, first.value, files)
    const path = `${randomUUID()}.parquet`
    const key = `${sidecarFolder}${path}`
    size += await writeRows(store, duckdb, rows, join(store.stagingRoot, key), layout, { signal })
    await store.publish([key], { signal })
    const stored = await store.head(key, { signal })
    sidecars.push({
      path,
      sizeInBytes: stored?.sizeBytes ?? 0,
      modificationTime: stored?.modifiedMs ?? 0,
    })
  }
  const key = checkpointV2Key(of, randomUUID())
  const lines = [
    formatJson({ checkpointMetadata: { version: of, tags: openSeal } }),
    ...named,
    ...sidecars.map((sidecar) => formatJson({ sidecar })),
  ]
  const bytes = sealed(lines.map((line) => `${line}\n`).join(''))
  await store.put(key, bytes, { signal })
  const stored = await store.head(key, { signal })
  return {
    size: size + 1 + sidecars.length,
    v2Checkpoint: {
      path: key.slice(logFolder.length),
      sizeInBytes: bytes.byteLength,
      modificationTime: stored?.modifiedMs ?? 0,
    },
  }
}

/** @returns How many there were. Their JSON lies beside the log meanwhile, so that memory holds a few of them. */
async function writeRows(
  store: ObjectStore,
  duckdb: DuckDb,
  rows: Iterable<string>,
  target: string,
  { names: columnNames, forms }: Layout,
  { signal }: IoOptions,
): Promise<number> {
  // Names that begin with a dot belong to nobody who reads or cleans the log.
  const source = join(store.stagingRoot, logFolder, `.${randomUUID()}.json.tmp`)
  let count = 0
  try {
    const file = await open(source, 'wx')
    try {
      for (const some of slices(rows, rowsAtATime)) {
        signal?.throwIfAborted()
        count += some.length
        await file.writeFile(some.map((row) => `${row}\n`).join(''))
      }
    } finally {
      await file.close()
    }
    const types = columnNames.map((name) => `${name}: ${text(typeOf(name, forms))}`).join(', ')
    await duckdb.use((session) =>
      session.run(
        `copy (select ${columnNames.map((name) => selectOf(name, forms)).join(', ')} from read_json(${text(source)}, format = 'newline_delimited', columns = {${types}}, maximum_object_size = 1073741824)) to ${text(target)} (format parquet, compression snappy, row_group_size 30720, ${openParquetSeal})`,
        { signal },
      ),
    )
    await sealParquet(target)
  } finally {
    await rm(source, { force: true })
  }
  return count
}

/** Protocol, metadata, applications, domains. */
function namedRows(state: TableState): readonly string[] {
  const row = (name: Name, body: unknown): string => formatJson({ [name]: body })
  return [
    ...(state.protocol === undefined ? [] : [row('protocol', state.protocol)]),
    ...(state.metadata === undefined ? [] : [row('metaData', state.metadata)]),
    ...Array.from(state.transactions.values(), (transaction) => row('txn', transaction)),
    ...Array.from(state.domains.values(), (domain) => row('domainMetadata', domain)),
  ]
}

function* fileRows(
  state: TableState,
  expiredBeforeMs: number,
  { json, struct }: StatisticsForms,
): Generator<string, undefined> {
  for (const tombstone of state.tombstones.values()) {
    if ((tombstone.deletionTimestamp ?? 0) < expiredBeforeMs) continue
    yield rowJson({ remove: { ...tombstone, dataChange: false } })
  }
  for (const file of state.files.values()) {
    const add = { ...file, dataChange: false }
    if (json && struct === undefined) yield rowJson({ add })
    else {
      const { stats, ...others } = add
      const asJson = json && stats !== undefined ? { stats } : {}
      yield rowJson({ add: { ...others, ...asJson, stats_parsed: struct?.textsOf(stats) } })
    }
  }
}

/** JSON of one file of many: what `formatJson` makes of it, several times as fast where no number is a bigint. */
function rowJson(row: unknown): string {
  try {
    return JSON.stringify(row)
  } catch {
    return formatJson(row)
  }
}

function* upTo(count: number, first: string, rest: Iterator<string>): Iterable<string> {
  yield first
  for (let taken = 1; taken < count; taken++) {
    const next = rest.next()
    if (next.done === true) return
    yield next.value
  }
}

function* chained(parts: readonly Iterable<string>[]): Iterable<string> {
  for (const part of parts) yield* part
}

function* slices(rows: Iterable<string>, size: number): Iterable<readonly string[]> {
  let slice: string[] = []
  for (const row of rows) {
    slice.push(row)
    if (slice.length < size) continue
    yield slice
    slice = []
  }
  if (slice.length > 0) yield slice
}
