/**
 * Reads a checkpoint of any form: one Parquet file, several parts, or a V2 checkpoint (JSON or Parquet) with its
 * sidecars. Delta PROTOCOL.md, "Checkpoints" and "V2 Spec".
 *
 * The files of a table may be hundreds of thousands: each comes from DuckDB as one text of fixed fields.
 */
import { LakeError, messageOf } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { type JsonValue, parseJson } from '../base/json.ts'
import { columnTypes } from '../duckdb/column-type.ts'
import type { DuckDb, DuckDbSession } from '../duckdb/duckdb.ts'
import { list, text } from '../duckdb/sql-text.ts'
import type { ObjectStore } from '../storage/store.ts'
import { type Action, type ActionName, type AddFile, decodeActions, decodeBody } from './actions.ts'
import { encodeFilePath } from './file-path.ts'
import { localPaths } from './local-paths.ts'
import { sidecarFolder } from './log-path.ts'

const stringMap = 'MAP(VARCHAR, VARCHAR)'
const deletionVector =
  'STRUCT("storageType" VARCHAR, "pathOrInlineDv" VARCHAR, "offset" INTEGER, "sizeInBytes" INTEGER, "cardinality" BIGINT)'
const furtherFields = ['tags', 'baseRowId', 'defaultRowCommitVersion', 'clusteringProvider'] as const

/** What is read of each kind, whatever more or less a file has. */
const columnsRead: Readonly<Record<string, string>> = {
  protocol:
    'STRUCT("minReaderVersion" INTEGER, "minWriterVersion" INTEGER, "readerFeatures" VARCHAR[], "writerFeatures" VARCHAR[])',
  metaData: `STRUCT("id" VARCHAR, "name" VARCHAR, "description" VARCHAR, "format" STRUCT("provider" VARCHAR, "options" ${stringMap}), "schemaString" VARCHAR, "partitionColumns" VARCHAR[], "configuration" ${stringMap}, "createdTime" BIGINT)`,
  txn: 'STRUCT("appId" VARCHAR, "version" BIGINT, "lastUpdated" BIGINT)',
  domainMetadata: 'STRUCT("domain" VARCHAR, "configuration" VARCHAR, "removed" BOOLEAN)',
  remove: `STRUCT("path" VARCHAR, "deletionTimestamp" BIGINT, "dataChange" BOOLEAN, "extendedFileMetadata" BOOLEAN, "partitionValues" ${stringMap}, "size" BIGINT, "tags" ${stringMap}, "deletionVector" ${deletionVector}, "baseRowId" BIGINT, "defaultRowCommitVersion" BIGINT)`,
  sidecar: 'STRUCT("path" VARCHAR)',
}

const named: readonly ActionName[] = ['protocol', 'metaData', 'txn', 'domainMetadata', 'remove']

/**
 * The actions of a checkpoint, in batches and in no order. The caller reads to the end, or stops.
 *
 * @param keys All parts of one complete checkpoint.
 * @throws LakeError `LOG_CORRUPT` when a file is missing or cannot be read as a checkpoint.
 */
export async function* readCheckpoint(
  store: ObjectStore,
  duckdb: DuckDb,
  keys: readonly string[],
  { signal }: IoOptions = {},
): AsyncIterable<readonly Action[]> {
  try {
    using session = await duckdb.connect()
    const [key = ''] = keys
    if (key.endsWith('.json')) {
      const bytes = await store.read(key, { signal })
      yield decodeActions(bytes, `${store.uri}/${key}`)
      yield* readSidecars(session, store, sidecarsIn(bytes, key), { signal })
      return
    }
    const files = await localPaths(
      store,
      keys.map((path) => ({ path: encodeFilePath(path) })),
      { signal },
    )
    const present = await describe(session, files)
    yield* readNamed(session, files, named, { signal })
    yield* readFiles(session, files, present, { signal })
    if (!present.has('sidecar')) return
    const sidecars: string[] = []
    for await (const body of readBodies(session, files, 'sidecar', { signal }))
      sidecars.push(String(body['path']))
    yield* readSidecars(session, store, sidecars, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw new LakeError(
      'LOG_CORRUPT',
      `${store.uri}: checkpoint ${keys.join(', ')} cannot be read: ${messageOf(error)}`,
      { cause: error, details: { uri: store.uri, keys } },
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
  const files = await localPaths(store, [{ path: encodeFilePath(key) }], { signal })
  using session = await duckdb.connect()
  const names: string[] = []
  for await (const body of readBodies(session, files, 'sidecar', { signal })) names.push(String(body['path']))
  return names
}

function sidecarsIn(bytes: Uint8Array, key: string): readonly string[] {
  return new TextDecoder()
    .decode(bytes)
    .split('\n')
    .filter((line) => line.includes('"sidecar"'))
    .flatMap((line) => {
      const action = parseJson(line, key) as { readonly sidecar?: { readonly path?: string } } | null
      return action?.sidecar?.path === undefined ? [] : [action.sidecar.path]
    })
}

/** @param paths URI-encoded: a name in the folder of sidecars, or absolute. */
async function* readSidecars(
  session: DuckDbSession,
  store: ObjectStore,
  paths: readonly string[],
  { signal }: IoOptions,
): AsyncIterable<readonly Action[]> {
  if (paths.length === 0) return
  const isName = (path: string): boolean => !/^(?:\/|[a-z][a-z0-9+.-]*:)/i.test(path)
  const files = await localPaths(
    store,
    paths.map((path) => ({ path: isName(path) ? `${sidecarFolder}${path}` : path })),
    { signal },
  )
  yield* readNamed(session, files, ['remove'], { signal })
  yield* readFiles(session, files, await describe(session, files), { signal })
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

async function* readNamed(
  session: DuckDbSession,
  files: readonly string[],
  names: readonly ActionName[],
  { signal }: IoOptions,
): AsyncIterable<readonly Action[]> {
  for (const name of names) {
    const actions: Action[] = []
    for await (const body of readBodies(session, files, name, { signal })) {
      actions.push(decodeBody(name, body, 'checkpoint'))
    }
    yield actions
  }
}

async function* readBodies(
  session: DuckDbSession,
  files: readonly string[],
  name: string,
  { signal }: IoOptions,
): AsyncIterable<Readonly<Record<string, JsonValue>>> {
  const source = parquet(files, { [name]: columnsRead[name] ?? '' })
  const select = `select to_json("${name}")::varchar as body from ${source} where "${name}" is not null`
  for await (const { rows } of session.chunks(select, { signal })) {
    for (const { body } of rows) yield parseJson(String(body), name) as Readonly<Record<string, JsonValue>>
  }
}

/** Stands between the fields of a file: no JSON text and no encoded path holds it. */
const separator = '\0'
/** Stands between files: a text costs more on its way from the engine than what is in it. */
const fileSeparator = '\u0001'
const filesPerText = 256

async function* readFiles(
  session: DuckDbSession,
  files: readonly string[],
  present: Present,
  { signal }: IoOptions,
): AsyncIterable<readonly Action[]> {
  const fields = present.get('add')
  if (fields === undefined) return
  const hasParsed = fields.has('stats_parsed')
  const parsedType = hasParsed ? await statisticsType(session, files) : ''
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
  const json = (name: string): string => `to_json("add"."${name}")::varchar`
  const orEmpty = (name: string, value: string): string =>
    `case when "add"."${name}" is null then '' else ${value} end`
  const isBare = furtherFields.map((name) => `"add"."${name}" is null`).join(' and ')
  const rest = furtherFields.map((name) => `"${name}" := "add"."${name}"`).join(', ')
  const line = [
    '"add"."path"',
    orEmpty('partitionValues', json('partitionValues')),
    '"add"."size"::varchar',
    `coalesce("add"."modificationTime", 0)::varchar`,
    hasParsed ? `coalesce("add"."stats", ${json('stats_parsed')}, '')` : `coalesce("add"."stats", '')`,
    orEmpty('deletionVector', json('deletionVector')),
    `case when ${isBare} then '' else to_json(struct_pack(${rest}))::varchar end`,
  ].join(' || chr(0) || ')
  const source = parquet(files, { add: `STRUCT(${type})` })
  const decode = addDecoder()
  const numbered = `select ${line} as line, row_number() over () // ${filesPerText} as part from ${source} where "add" is not null`
  for await (const { rows } of session.chunks(
    `select string_agg(coalesce(line, ''), chr(1)) as lines from (${numbered}) group by part`,
    { signal },
  )) {
    for (const { lines } of rows) {
      yield String(lines)
        .split(fileSeparator)
        .map((text) => ({ add: decode(text) }))
    }
  }
}

async function statisticsType(session: DuckDbSession, files: readonly string[]): Promise<string> {
  const [column] = await session.describe(
    `select "add"."stats_parsed" from read_parquet(${list(files.map(text))}, union_by_name = true)`,
  )
  return column?.type ?? ''
}

function addDecoder(): (line: string) => AddFile {
  const partitions = new Map<string, AddFile['partitionValues']>()
  return (line) => {
    if (line === '') throw new LakeError('LOG_CORRUPT', 'add without path or size')
    const [path = '', values = '', size, modified, stats = '', vector = '', rest = ''] = line.split(separator)
    let partitionValues = partitions.get(values)
    if (partitionValues === undefined) {
      partitionValues = (
        values === '' ? {} : parseJson(values, 'partitionValues')
      ) as AddFile['partitionValues']
      partitions.set(values, partitionValues)
    }
    const common = {
      path,
      partitionValues,
      size: Number(size),
      modificationTime: Number(modified),
      dataChange: false,
    }
    const file: AddFile = stats === '' ? common : withStatistics(common, stats)
    if (vector === '' && rest === '') return file
    const further = rest === '' ? {} : (parseJson(rest, 'add') as Readonly<Record<string, JsonValue>>)
    const body: Record<string, JsonValue> = { path, size: file.size, partitionValues, ...further }
    if (vector !== '') body['deletionVector'] = parseJson(vector, 'deletionVector')
    const action = decodeBody('add', body, 'checkpoint')
    return 'add' in action ? { ...file, ...action.add } : file
  }
}

/** Written out: a spread costs more than all else that is done for a file. */
function withStatistics(file: AddFile, stats: string): AddFile {
  const { path, partitionValues, size, modificationTime, dataChange } = file
  return { path, partitionValues, size, modificationTime, dataChange, stats }
}

/** The files with just the columns named, which are null where a file has none. */
function parquet(files: readonly string[], columns: Readonly<Record<string, string>>): string {
  const schema = Object.entries(columns).map(
    ([name, type]) => `${text(name)}: {name: ${text(name)}, type: ${text(type)}, default_value: null}`,
  )
  return `read_parquet(${list(files.map(text))}, schema = map {${schema.join(', ')}}, hive_partitioning = false, binary_as_string = true)`
}
