/**
 * Computes at a server of Spark Connect: Apache Spark, or Sail. The engine reads the files of the request and writes
 * Parquet below the root of the target; this library judges and adopts what it has written.
 *
 * The engine and this process must see the same files under the same paths: a shared folder, or an object store.
 */
import { randomUUID } from 'node:crypto'
import { tableFromIPC } from 'apache-arrow'
import { isLakeError, LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { someOf } from '../base/some-of.ts'
import {
  type DeltaTable,
  engineUri,
  type Field,
  type ForeignFiles,
  type ForeignRead,
  type ForeignVersion,
  foreignRead,
  type Snapshot,
  type StagedFiles,
} from '../delta/index.ts'
import type { DuckDb } from '../duckdb/duckdb.ts'
import {
  openSparkConnect,
  type Relation,
  type SparkConnectOptions,
  type SparkField,
  type SparkSession,
} from '../spark-connect/spark-connect.ts'
import type { Compute, ComputeInput, ComputeRequest, RowsInParts } from './compute.ts'
import {
  isHeldBy,
  isInPartition,
  partitionSql,
  sparkColumns,
  sparkName,
  sparkType,
  typeText,
} from './spark-sql.ts'

/** What the engine has to be set to, so that it means the same as DuckDB and loses nothing. */
const settings = {
  'spark.sql.session.timeZone': 'UTC',
  'spark.sql.ansi.enabled': 'true',
  'spark.sql.parquet.outputTimestampType': 'TIMESTAMP_MICROS',
  'spark.sql.parquet.datetimeRebaseModeInWrite': 'CORRECTED',
  'spark.sql.parquet.datetimeRebaseModeInRead': 'CORRECTED',
  'spark.sql.parquet.int96RebaseModeInRead': 'CORRECTED',
  'spark.sql.files.ignoreCorruptFiles': 'false',
  'spark.sql.files.ignoreMissingFiles': 'false',
  'spark.sql.sources.partitionColumnTypeInference.enabled': 'false',
} as const

/**
 * One plan names some thousands of files well. Sail reads each partition of a table in a task of its own, and needs a
 * slot of a worker for each of them at the same time.
 */
const atOnce = { bytes: 16 * 2 ** 30, partitions: 16 } as const

export interface SparkComputeOptions extends SparkConnectOptions {
  /** Reads the footers of what the engine has written. */
  readonly duckdb: DuckDb
}

/** Nothing is asked of the server yet; the caller closes it. */
export function openSparkCompute({ duckdb, ...options }: SparkComputeOptions): Compute {
  const connect = openSparkConnect(options)
  const engine: EngineAbilities = {}
  return {
    engine: `spark at ${connect.where}`,
    version: (options) => connect.version(options),
    [Symbol.asyncDispose]: () => connect[Symbol.asyncDispose](),
    atOnce,
    stage: async (request: ComputeRequest, { signal }: IoOptions = {}): Promise<StagedFiles> => {
      const { target, targetSnapshot } = request
      target.requireAdoptable(targetSnapshot)
      // Of a name that hides it from no vacuum.
      const folder = `staged-${randomUUID()}`
      const path = `${engineUri(target.uri)}/${folder}`
      try {
        const expected = await connect.session(
          settings,
          async (session) => {
            const rows = await prepare(session, request, { engine, folder, signal })
            const written = {
              path,
              partitionBy: targetSnapshot.partitionColumns,
              options: { compression: 'zstd' },
            }
            await session.writeParquet({ sql: { query: rows.ordered } }, written, { signal })
            return await countOf(session, rows.unordered, { signal })
          },
          { signal },
        )
        const staged = await duckdb.use((session) =>
          target.adopt(session, targetSnapshot, folder, { signal }),
        )
        requireAll(staged, expected, path)
        return staged
      } catch (error) {
        await target.discardFolder(folder)
        throw error
      } finally {
        if (request.inParts !== undefined) await target.discardFolder(partsOf(folder))
      }
    },
  }
}

interface Prepared {
  /** SELECTs of the columns of the target, in their types. */
  readonly ordered: string
  readonly unordered: string
}

/** Names the inputs in the session, and holds the SELECT to the target. */
async function prepare(
  session: SparkSession,
  { inputs, inParts, select, further, orderBy = [], target, targetSnapshot }: ComputeRequest,
  { engine, folder, signal }: IoOptions & { readonly engine: EngineAbilities; readonly folder: string },
): Promise<Prepared> {
  if (inParts !== undefined)
    await createParts(session, inParts, { target, folder: partsOf(folder), engine, signal })
  await createInputs(session, inputs, engine, { signal })
  const { fields } = targetSnapshot.schema
  const rows: string[] = []
  for (const query of further === undefined ? [select] : [select, further]) {
    const columns = await session.columns({ sql: { query } }, { signal })
    rows.push(asRowsOf(fields, columns, query, target.uri))
  }
  const unordered = rows.join('\nUNION ALL ')
  const order = orderBy.map(sparkName).join(', ')
  return { unordered, ordered: order === '' ? unordered : `SELECT * FROM (${unordered}) ORDER BY ${order}` }
}

/** The SELECT as rows of the target. @throws LakeError `SCHEMA_MISMATCH`. */
function asRowsOf(
  fields: readonly Field[],
  given: readonly SparkField[],
  select: string,
  table: string,
): string {
  const sources = fields.map((field) => ({ field, source: namedLike(given, field.name) }))
  const matched = new Set(sources.map(({ source }) => source))
  const unknown = given.filter((column) => !matched.has(column)).map(({ name }) => name)
  const missing = sources
    .filter(({ field, source }) => source === undefined && !field.nullable)
    .map(({ field }) => field.name)
  if (missing.length > 0 || unknown.length > 0) {
    const problems = [
      ...(missing.length > 0 ? [`missing: ${someOf(missing)}`] : []),
      ...(unknown.length > 0 ? [`not in the table: ${someOf(unknown)}`] : []),
    ]
    const names = someOf(fields.map(({ name }) => name))
    throw new LakeError('SCHEMA_MISMATCH', `${table}: expected columns ${names}; ${problems.join('; ')}`, {
      details: { uri: table, missing, unknown },
    })
  }
  const columns = sources.map(({ field, source }) => columnSql(field, source))
  return `SELECT ${columns.join(', ')} FROM (${select}\n)`
}

function columnSql(field: Field, source: SparkField | undefined): string {
  const to = sparkType(field.type)
  const name = sparkName(field.name)
  if (source === undefined) return `CAST(NULL AS ${to}) AS ${name}`
  const from = typeText(source.data_type)
  if (from === to) return `${sparkName(source.name)} AS ${name}`
  if (isHeldBy(from, to)) return `CAST(${sparkName(source.name)} AS ${to}) AS ${name}`
  throw new LakeError('SCHEMA_MISMATCH', `Column ${field.name} is ${to}, and the rows have ${from}`, {
    details: { column: field.name, from, to, fault: 'cast-for-engine' },
  })
}

function namedLike(given: readonly SparkField[], name: string): SparkField | undefined {
  return (
    given.find((column) => column.name === name) ??
    given.find((column) => column.name.toLowerCase() === name.toLowerCase())
  )
}

/** Beside the folder of the target's files. */
const partsOf = (folder: string): string => `${folder}-parts`

interface PartsOptions extends IoOptions {
  readonly target: DeltaTable
  /** Below the root of the target. */
  readonly folder: string
  readonly engine: EngineAbilities
}

/** Each part is written by itself, so that no plan reads all of them; what is made of them is small. */
async function createParts(
  session: SparkSession,
  { name, select, parts }: RowsInParts,
  { target, folder, engine, signal }: PartsOptions,
): Promise<void> {
  const relation: Relation = { sql: { query: select } }
  let columns: readonly SparkField[] = []
  for (const [at, inputs] of parts.entries()) {
    await createInputs(session, inputs, engine, { signal })
    columns = await session.columns(relation, { signal })
    const path = `${engineUri(target.uri)}/${folder}/${at}`
    await session.writeParquet(relation, { path, partitionBy: [] }, { signal })
  }
  const ddl = columns.map(({ name: column, data_type: type }) => `${sparkName(column)} ${typeText(type)}`)
  const paths: string[] = []
  for await (const { key } of target.store.list(`${folder}/`, { signal })) {
    if (/\/[^._/][^/]*\.parquet$/.test(key)) paths.push(engineUri(`${target.uri}/${key}`))
  }
  const nothing = `SELECT ${columns.map(({ name: column, data_type: type }) => `CAST(NULL AS ${typeText(type)}) AS ${sparkName(column)}`).join(', ')} WHERE 1 = 0`
  const made: Relation =
    paths.length === 0
      ? { sql: { query: nothing } }
      : { read: { data_source: { format: 'parquet', schema: ddl.join(', '), paths } } }
  await session.createView(name, made, { signal })
}

/** Views of exactly the rows of the files that are asked for. */
async function createInputs(
  session: SparkSession,
  inputs: readonly ComputeInput[],
  engine: EngineAbilities,
  { signal }: IoOptions,
): Promise<void> {
  for (const { name, snapshot, files } of inputs) {
    const read = foreignRead(snapshot, files)
    const way = await chosenWay(session, read, engine, { signal })
    const query =
      'version' in way
        ? await versionSql(session, name, snapshot, way, { signal })
        : await filesSql(session, name, snapshot, way, { signal })
    await session.createView(name, { sql: { query } }, { signal })
  }
}

/** What is found out once about the server. */
interface EngineAbilities {
  readsDelta?: boolean
}

/**
 * Files of one partition are named. More of them are better read as a version, if they can be: each named group is a
 * scan of its own.
 */
async function chosenWay(
  session: SparkSession,
  read: ForeignRead,
  engine: EngineAbilities,
  { signal }: IoOptions,
): Promise<ForeignFiles | ForeignVersion> {
  const { files, version } = read
  if (files !== undefined && (version === undefined || files.groups.length <= 1)) return files
  if (version === undefined) throw new LakeError('BUG', 'An input can be read in no way')
  engine.readsDelta ??= await hasDelta(session, version, { signal })
  if (engine.readsDelta) return version
  if (files !== undefined) return files
  throw new LakeError(
    'PROTOCOL_UNSUPPORTED',
    `${version.uri}: the engine has no reader of Delta tables, and ${read.files === undefined ? read.reason : ''}`,
    { details: { uri: version.uri, fault: 'engine-without-delta' } },
  )
}

async function hasDelta(
  session: SparkSession,
  version: ForeignVersion,
  { signal }: IoOptions,
): Promise<boolean> {
  try {
    await session.columns(deltaOf(version), { signal })
    return true
  } catch (error) {
    if (
      isLakeError(error, 'SQL_INVALID') &&
      /data.?source|class ?not ?found|unsupported format/i.test(error.message)
    )
      return false
    throw error
  }
}

const deltaOf = ({ uri, version }: ForeignVersion): Relation => ({
  read: { data_source: { format: 'delta', options: { versionAsOf: `${version}` }, paths: [uri] } },
})

async function versionSql(
  session: SparkSession,
  name: string,
  { schema: { fields } }: Snapshot,
  version: ForeignVersion,
  { signal }: IoOptions,
): Promise<string> {
  const view = `${name}_version`
  await session.createView(view, deltaOf(version), { signal })
  const columns = fields.map((field) => sparkName(field.name)).join(', ')
  const conditions = version.partitions?.map(isInPartition)
  const where = conditions === undefined ? '' : ` WHERE ${conditions.join(' OR ')}`
  return `SELECT ${columns} FROM ${sparkName(view)}${where}`
}

async function filesSql(
  session: SparkSession,
  name: string,
  { schema: { fields } }: Snapshot,
  { columns, groups }: ForeignFiles,
  { signal }: IoOptions,
): Promise<string> {
  if (groups.length === 0) {
    const nothing = fields.map(
      (field) => `CAST(NULL AS ${sparkType(field.type)}) AS ${sparkName(field.name)}`,
    )
    return `SELECT ${nothing.join(', ')} WHERE 1 = 0`
  }
  const schema = sparkColumns(columns)
  const selects: string[] = []
  for (const [at, { partition, uris }] of groups.entries()) {
    const view = `${name}_files_${at}`
    await session.createView(
      view,
      { read: { data_source: { format: 'parquet', schema, paths: uris } } },
      { signal },
    )
    const values = new Map(partition.map((each) => [each.name, partitionSql(each)]))
    const inOrder = fields.map((field) => {
      const value = values.get(field.name)
      return value === undefined ? sparkName(field.name) : `${value} AS ${sparkName(field.name)}`
    })
    selects.push(`SELECT ${inOrder.join(', ')} FROM ${sparkName(view)}`)
  }
  return selects.join(' UNION ALL ')
}

async function countOf(session: SparkSession, rows: string, { signal }: IoOptions): Promise<number> {
  let count = 0
  const relation = { sql: { query: `SELECT COUNT(*) AS n FROM (${rows})` } }
  for await (const bytes of session.arrow(relation, { signal })) {
    for (const value of tableFromIPC(bytes).getChild('n') ?? []) count += Number(value)
  }
  return count
}

/**
 * An engine whose workers write to disks of their own loses files, and one that tries a failed job again may leave files
 * of the first attempt: what is there must be all of the rows, and once.
 */
function requireAll({ rows }: StagedFiles, expected: number, path: string): void {
  if (rows === expected) return
  throw new LakeError(
    'ENGINE_FAILED',
    `${path}: the engine says ${expected} rows, and its files here have ${rows}`,
    {
      details: { folder: path, expected, rows, fault: 'file-not-engine' },
    },
  )
}
