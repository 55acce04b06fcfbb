/**
 * Reads a checkpoint of any form: one Parquet file, several parts, or a V2 checkpoint (JSON or Parquet) with its
 * sidecars. Delta PROTOCOL.md, "Checkpoints" and "V2 Spec".
 */
import { stat } from 'node:fs/promises'
import { posix } from 'node:path'
import { isLakeError, LakeError, messageOf } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { type JsonValue, parseJson } from '../../base/json.ts'
import { columnTypes } from '../../duckdb/column-type.ts'
import type { DuckDb, DuckDbSession } from '../../duckdb/duckdb.ts'
import { mostBytesRead } from '../../duckdb/parquet-memory.ts'
import { list, text } from '../../duckdb/sql-text.ts'
import type { ObjectStore } from '../../storage/store.ts'
import { type Action, decodeBody, decodeLogFile } from './actions.ts'
import { type FileBlock, type RowRange, readFileBlocks } from './file-block.ts'
import { decodeFilePath, encodeFilePath } from './file-path.ts'
import { localPaths } from './local-paths.ts'
import { sidecarFolder } from './log-path.ts'
import { requireUnbrokenParquet } from './seal.ts'

const stringMap = 'MAP(VARCHAR, VARCHAR)'
const deletionVector =
  'STRUCT("storageType" VARCHAR, "pathOrInlineDv" VARCHAR, "offset" INTEGER, "sizeInBytes" INTEGER, "cardinality" BIGINT)'

/** What is read of each kind, whatever more or less a file has. */
const columnsRead = {
  protocol:
    'STRUCT("minReaderVersion" INTEGER, "minWriterVersion" INTEGER, "readerFeatures" VARCHAR[], "writerFeatures" VARCHAR[])',
  metaData: `STRUCT("id" VARCHAR, "name" VARCHAR, "description" VARCHAR, "format" STRUCT("provider" VARCHAR, "options" ${stringMap}), "schemaString" VARCHAR, "partitionColumns" VARCHAR[], "configuration" ${stringMap}, "createdTime" BIGINT)`,
  txn: 'STRUCT("appId" VARCHAR, "version" BIGINT, "lastUpdated" BIGINT)',
  domainMetadata: 'STRUCT("domain" VARCHAR, "configuration" VARCHAR, "removed" BOOLEAN)',
  remove: `STRUCT("path" VARCHAR, "deletionTimestamp" BIGINT, "dataChange" BOOLEAN, "extendedFileMetadata" BOOLEAN, "partitionValues" ${stringMap}, "size" BIGINT, "tags" ${stringMap}, "deletionVector" ${deletionVector}, "baseRowId" BIGINT, "defaultRowCommitVersion" BIGINT)`,
} as const

type Named = keyof typeof columnsRead
const named: readonly Named[] = ['protocol', 'metaData', 'txn', 'domainMetadata', 'remove']

/** The files of a checkpoint as blocks that are not decoded yet, and all other actions. */
export type CheckpointPart = { readonly kind: 'actions'; readonly actions: readonly Action[] } | FileBlock

/**
 * What a checkpoint holds, in no order. The caller reads to the end, or stops.
 *
 * @param keys All parts of one complete checkpoint.
 * @throws LakeError `LOG_CORRUPT` when a file is missing or cannot be read as a checkpoint.
 */
export async function* readCheckpoint(
  store: ObjectStore,
  duckdb: DuckDb,
  keys: readonly string[],
  { signal }: IoOptions = {},
): AsyncIterable<CheckpointPart> {
  try {
    using session = await duckdb.connect()
    const [key = ''] = keys
    if (key.endsWith('.json')) {
      const bytes = await store.read(key, { signal })
      yield { kind: 'actions', actions: decodeLogFile(bytes, `${store.uri}/${key}`) }
      yield* readSidecars(session, store, sidecarsIn(bytes, key), { signal })
      return
    }
    const files = await localPaths(
      store,
      keys.map((path) => ({ path: encodeFilePath(path) })),
      { fresh: true, signal },
    )
    await requireReadableFiles(session, files, keys, { signal })
    const present = await describe(session, files)
    for (const file of files) yield* readParts(session, file, present, named, { signal })
    if (!present.has('sidecar')) return
    yield* readSidecars(session, store, await readSidecarColumn(session, files, { signal }), { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw new LakeError(
      'LOG_CORRUPT',
      `${store.uri}: checkpoint ${keys.join(', ')} cannot be read: ${messageOf(error)}`,
      { cause: error, details: { ...(isLakeError(error) && error.details), uri: store.uri, keys } },
    )
  }
}

/**
 * The sidecars that one file of a checkpoint names, URI-encoded: names in their folder, or absolute.
 *
 * @throws LakeError as `readCheckpoint` does.
 */
export async function readSidecarNames(
  store: ObjectStore,
  duckdb: DuckDb,
  key: string,
  { signal }: IoOptions = {},
): Promise<readonly string[]> {
  if (key.endsWith('.json')) return sidecarsIn(await store.read(key, { signal }), key)
  const files = await localPaths(store, [{ path: encodeFilePath(key) }], { fresh: true, signal })
  using session = await duckdb.connect()
  await requireReadableFiles(session, files, [key], { signal })
  return await readSidecarColumn(session, files, { signal })
}

function sidecarsIn(bytes: Uint8Array, key: string): readonly string[] {
  return new TextDecoder()
    .decode(bytes)
    .split('\n')
    .filter((line) => line.includes('"sidecar"'))
    .flatMap((line) => {
      const action = parseJson(line, key) as { readonly sidecar?: { readonly path?: unknown } | null } | null
      const sidecar = action?.sidecar
      if (sidecar === undefined || sidecar === null) return []
      if (typeof sidecar.path === 'string') return [sidecar.path]
      throw new LakeError('LOG_CORRUPT', `${key}: sidecar without path`, { details: { key } })
    })
}

/** A file may take so much memory, and more only where it is large itself. */
const anyFileBytes = 2 ** 30
const bytesOfEachByte = 100

/** Before a row is read. @throws LakeError `LOG_CORRUPT` naming the file. */
async function requireReadableFiles(
  session: DuckDbSession,
  files: readonly string[],
  names: readonly string[],
  { signal }: IoOptions,
): Promise<void> {
  for (const [index, file] of files.entries()) {
    const name = names[index] ?? file
    await requireUnbrokenParquet(file, name)
    const { size } = await stat(file)
    const allowed = Math.max(anyFileBytes, size * bytesOfEachByte)
    const needed = await mostBytesRead(session, file, { enough: allowed, signal })
    if (needed <= allowed) continue
    throw new LakeError(
      'LOG_CORRUPT',
      `${name}: its ${size} bytes unpack to as much as ${needed} in memory, and ${allowed} are allowed`,
      { details: { file: name, fault: 'unpacks-too-large', sizeBytes: size, needed, allowed } },
    )
  }
}

/** @param paths URI-encoded: a name in the folder of sidecars, or absolute. */
async function* readSidecars(
  session: DuckDbSession,
  store: ObjectStore,
  paths: readonly string[],
  { signal }: IoOptions,
): AsyncIterable<CheckpointPart> {
  if (paths.length === 0) return
  const files = await localPaths(
    store,
    paths.map((path) => ({ path: sidecarPath(path) })),
    { fresh: true, signal },
  )
  await requireReadableFiles(session, files, paths, { signal })
  const present = await describe(session, files)
  for (const file of files) yield* readParts(session, file, present, ['remove'], { signal })
}

/** As `add.path` is. @throws LakeError `LOG_CORRUPT` for a relative path that leaves the folder of sidecars. */
function sidecarPath(path: string): string {
  if (/^(?:\/|[a-z][a-z0-9+.-]*:)/i.test(path)) return path
  const place = decodeFilePath(`${sidecarFolder}${path}`)
  if (place.kind === 'relative' && posix.normalize(place.key).startsWith(sidecarFolder)) {
    return `${sidecarFolder}${path}`
  }
  throw new LakeError('LOG_CORRUPT', `sidecar ${path} lies outside of ${sidecarFolder}`, {
    details: { path },
  })
}

type Present = ReadonlyMap<string, ReadonlySet<string>>

/** Kinds of actions that the files have columns for, with the fields of each. */
async function describe(session: DuckDbSession, files: readonly string[]): Promise<Present> {
  const columns = await columnTypes(
    session,
    `select * from read_parquet(${list(files.map(text))}, union_by_name = true)`,
  )
  return new Map(
    columns.map(({ name, type }) => [
      name,
      new Set(type.kind === 'struct' ? type.fields.map((field) => field.name) : []),
    ]),
  )
}

/** The files that a checkpoint file names, and its other actions of the kinds named. Each row is one action. */
async function* readParts(
  session: DuckDbSession,
  file: string,
  present: Present,
  names: readonly Named[],
  { signal }: IoOptions,
): AsyncIterable<CheckpointPart> {
  const add = present.get('add')
  let where = 'true'
  if (add !== undefined) {
    const others = yield* readFiles(session, file, add, { signal })
    if (others === undefined) return
    where = `"add" is null and file_row_number between ${others.from} and ${others.to - 1}`
  }
  const there = names.filter((name) => present.has(name))
  if (there.length === 0) return
  const bodies = there.map((name) => `to_json("${name}")::varchar as "${name}"`)
  const columns = there.map((name) => [name, columnsRead[name]] as const)
  const source = parquet([file], Object.fromEntries([['add', 'STRUCT("path" VARCHAR)'], ...columns]))
  const select = `select ${bodies.join(', ')} from ${source} where ${where}`
  for await (const { rows } of session.chunks(select, { signal })) {
    const actions = rows.flatMap((row) =>
      there.flatMap((name) => {
        const body = row[name]
        return typeof body === 'string' ? [decodeBody(name, fieldsOf(body, name), 'checkpoint')] : []
      }),
    )
    if (actions.length > 0) yield { kind: 'actions', actions }
  }
}

async function readSidecarColumn(
  session: DuckDbSession,
  files: readonly string[],
  { signal }: IoOptions,
): Promise<readonly string[]> {
  const source = parquet(files, { sidecar: 'STRUCT("path" VARCHAR)' })
  const rows = await session.rows(
    `select "sidecar"."path" as path from ${source} where "sidecar" is not null`,
    { signal },
  )
  return rows.map(({ path }) => String(path))
}

function fieldsOf(json: string, what: string): Readonly<Record<string, JsonValue>> {
  return parseJson(json, what) as Readonly<Record<string, JsonValue>>
}

async function* readFiles(
  session: DuckDbSession,
  file: string,
  fields: ReadonlySet<string>,
  { signal }: IoOptions,
): AsyncGenerator<FileBlock, RowRange | undefined> {
  const hasParsed = fields.has('stats_parsed')
  const parsedType = hasParsed ? await statisticsType(session, file) : ''
  const type = [
    '"path" VARCHAR',
    `"partitionValues" ${stringMap}`,
    '"size" BIGINT',
    '"modificationTime" BIGINT',
    '"stats" VARCHAR',
    `"tags" ${stringMap}`,
    `"deletionVector" ${deletionVector}`,
    '"baseRowId" BIGINT',
    '"defaultRowCommitVersion" BIGINT',
    '"clusteringProvider" VARCHAR',
    ...(hasParsed ? [`"stats_parsed" ${parsedType}`] : []),
  ].join(', ')
  const source = parquet([file], { add: `STRUCT(${type})` })
  return yield* readFileBlocks(session, file, { source, hasParsedStatistics: hasParsed, signal })
}

async function statisticsType(session: DuckDbSession, file: string): Promise<string> {
  const [column] = await session.describe(`select "add"."stats_parsed" from read_parquet(${text(file)})`)
  return column?.type ?? ''
}

/** The files with just the columns named, which are null where a file has none. */
function parquet(files: readonly string[], columns: Readonly<Record<string, string>>): string {
  const schema = Object.entries(columns).map(
    ([name, type]) => `${text(name)}: {name: ${text(name)}, type: ${text(type)}, default_value: null}`,
  )
  return `read_parquet(${list(files.map(text))}, schema = map {${schema.join(', ')}}, hive_partitioning = false, binary_as_string = true)`
}
