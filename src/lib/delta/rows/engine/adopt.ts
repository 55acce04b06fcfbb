/**
 * Parquet files that an engine has written below the table's root, as staged files: judged, and with the statistics of
 * their footers.
 *
 * The engine is not trusted: each file must have the columns of the table in their types, its folder must name its
 * partition, and each row must satisfy what the table asks. Files are not written again.
 */
import { join } from 'node:path'
import { LakeError } from '../../../base/errors.ts'
import type { IoOptions } from '../../../base/io.ts'
import { columnTypes } from '../../../duckdb/column-type.ts'
import type { DuckDbSession } from '../../../duckdb/duckdb.ts'
import { text } from '../../../duckdb/sql-text.ts'
import type { ObjectMeta, ObjectStore } from '../../../storage/store.ts'
import type { AddFile } from '../../log/actions.ts'
import { encodeFilePath } from '../../log/file-path.ts'
import { localPaths } from '../../log/local-paths.ts'
import { constraintsOf, enforced, reportViolations } from '../../protocol/constraints.ts'
import { fileSchema } from '../../protocol/mapping.ts'
import { fieldIds, spelledBy } from '../../schema/column-mapping.ts'
import { duckDbType, type Field, type StructType, structOf } from '../../schema/schema.ts'
import { checksumTags } from '../../snapshot/data-checksum.ts'
import type { Snapshot } from '../../snapshot/snapshot.ts'
import { encodeStatistics } from '../../snapshot/statistics.ts'
import { sourceSql } from '../columns/lossless-cast.ts'
import { scanSelect } from '../scan.ts'
import type { StagedFiles, StageTarget } from '../stage.ts'
import { type FooterStatistics, footerStatistics } from './footers.ts'

/** Of these types a folder's name says the value without a doubt. */
const plainTypes = new Set<unknown>(['date', 'boolean', 'long', 'integer', 'short', 'byte'])
/** What folders of Hive's form have for null. */
const nullFolder = '__HIVE_DEFAULT_PARTITION__'

/**
 * Whether files of the table can be written by another engine and be adopted.
 *
 * @throws LakeError `PROTOCOL_UNSUPPORTED` for a table with mapped columns, or with a partition column whose values a
 * folder cannot name without doubt.
 */
export function requireAdoptable(
  { uri }: Pick<ObjectStore, 'uri'>,
  { metadata }: Pick<Snapshot, 'metadata'>,
): void {
  const schema = fileSchema(metadata)
  const partitionColumns = spelledBy(schema, metadata.partitionColumns)
  const refuse = (what: string): never => {
    throw new LakeError('PROTOCOL_UNSUPPORTED', `${uri}: files of another engine cannot be taken: ${what}`, {
      details: { uri, fault: 'not-for-engines' },
    })
  }
  if (fieldIds(schema, partitionColumns) !== undefined) refuse('its columns are mapped')
  for (const { name, type } of schema.fields) {
    if (!partitionColumns.includes(name) || plainTypes.has(type)) continue
    refuse(`it is partitioned by ${name}, which is ${typeof type === 'string' ? type : type.type}`)
  }
}

/**
 * Takes the files of `folder`, a folder below the table's root that is named by nobody else. What is in there beside
 * the data is removed.
 *
 * @throws LakeError `SCHEMA_MISMATCH` naming a file whose columns are not those of the table, `CONSTRAINT_VIOLATED`,
 * `SOURCE_FAILED` for a file that is no whole Parquet file or lies in no partition, and as `requireAdoptable` does.
 * Nothing is removed then.
 */
export async function adoptFiles(
  session: DuckDbSession,
  { store, clock, metadata }: StageTarget,
  snapshot: Snapshot,
  folder: string,
  { signal }: IoOptions = {},
): Promise<StagedFiles> {
  requireAdoptable(store, snapshot)
  const schema = fileSchema(metadata)
  const partitionColumns = spelledBy(schema, metadata.partitionColumns)
  const stored = structOf(...schema.fields.filter(({ name }) => !partitionColumns.includes(name)))
  const partitions = schema.fields.filter(({ name }) => partitionColumns.includes(name))
  const { data, others } = await listFolder(store, folder, { signal })
  const paths = await localPaths(
    store,
    data.map(({ key }) => ({ path: encodeFilePath(key) })),
    { signal },
  )
  for (const [index, path] of paths.entries()) {
    await requireColumns(session, stored, { path, name: `${store.uri}/${data[index]?.key}` })
  }
  const footers = await footerStatistics(session, stored, paths, { signal })
  const now = clock.now()
  const files: (AddFile & { readonly rows: number })[] = []
  const empty: string[] = []
  for (const [index, { key, sizeBytes }] of data.entries()) {
    const [path = '', footer] = [paths[index], footers[index]]
    if (footer === undefined || footer.rows === 0) {
      empty.push(key)
      continue
    }
    requireFinite(store, key, stored, footer)
    files.push({
      path: encodeFilePath(key),
      partitionValues: partitionOf(store, key, folder, partitions),
      size: sizeBytes,
      modificationTime: now,
      dataChange: true,
      stats: encodeStatistics(footer.rows, footer.columns, stored, metadata.configuration),
      tags: await checksumTags(path, { signal }),
      rows: footer.rows,
    })
  }
  const adds = files.map(({ rows: _, ...add }): AddFile => add)
  await requireConstraints(session, store, snapshot, adds, { signal })
  await makeDurable(store, files, paths, { signal })
  await store.delete([...others, ...empty], { signal })
  return {
    files: adds,
    rows: files.reduce((sum, { rows }) => sum + rows, 0),
    sizeBytes: files.reduce((sum, { size }) => sum + size, 0),
  }
}

/** Data files, and what engines write beside them: marks of success, checksums, what is left of attempts. */
async function listFolder(
  store: ObjectStore,
  folder: string,
  { signal }: IoOptions,
): Promise<{ readonly data: readonly ObjectMeta[]; readonly others: readonly string[] }> {
  const data: ObjectMeta[] = []
  const others: string[] = []
  for await (const file of store.list(`${folder}/`, { signal })) {
    const isData =
      file.key.endsWith('.parquet') &&
      !file.key
        .slice(folder.length + 1)
        .split('/')
        .some((part) => /^[._]/.test(part))
    if (isData) data.push(file)
    else others.push(file.key)
  }
  return { data, others }
}

async function requireColumns(
  session: DuckDbSession,
  stored: StructType,
  { path, name }: { readonly path: string; readonly name: string },
): Promise<void> {
  const found = await columnTypes(session, `from read_parquet(${text(path)}, hive_partitioning = false)`)
  const show = (columns: readonly (readonly [string, string])[]): string =>
    columns.map(([column, type]) => `${column} ${type}`).join(', ')
  const expected = show(stored.fields.map((field) => [field.name, duckDbType(field.type)]))
  const got = show(found.map((column) => [column.name, sourceSql(column.type)]))
  if (got === expected) return
  throw new LakeError('SCHEMA_MISMATCH', `${name}: expected the columns ${expected}; got ${got}`, {
    details: { file: name, expected, got },
  })
}

/** The values that the folders between `folder` and the file name, as the log writes them. */
function partitionOf(
  { uri }: ObjectStore,
  key: string,
  folder: string,
  partitions: readonly Field[],
): AddFile['partitionValues'] {
  const parts = key
    .slice(folder.length + 1)
    .split('/')
    .slice(0, -1)
  const named = new Map(
    parts.map((part) => {
      const [name = '', ...value] = part.split('=')
      return [name, value.join('=')]
    }),
  )
  const isWhole = parts.length === partitions.length && partitions.every(({ name }) => named.has(name))
  if (!isWhole) {
    const expected = partitions.map(({ name }) => `${name}=…`).join('/')
    throw new LakeError(
      'SOURCE_FAILED',
      `${uri}/${key}: expected it in ${expected === '' ? 'no folder' : expected}`,
      {
        details: { uri, key, fault: 'written-elsewhere' },
      },
    )
  }
  return Object.fromEntries(
    partitions.map(({ name }) => {
      const value = named.get(name) ?? nullFolder
      return [name, value === nullFolder ? null : value]
    }),
  )
}

function requireFinite(
  { uri }: ObjectStore,
  key: string,
  stored: StructType,
  { columns }: FooterStatistics,
): void {
  const infinite = columns.find(({ path: [name], min, max }) => {
    const type = stored.fields.find((field) => field.name === name)?.type
    const isTime = type === 'date' || type === 'timestamp' || type === 'timestamp_ntz'
    return isTime && (min === '-infinity' || max === 'infinity')
  })
  if (infinite === undefined) return
  throw new LakeError('CONSTRAINT_VIOLATED', `${uri}/${key}: a row violates finite ${infinite.path[0]}`, {
    details: { table: uri, constraint: `finite ${infinite.path[0]}` },
  })
}

/** Reads the rows only where the table asks something of them. */
async function requireConstraints(
  session: DuckDbSession,
  store: ObjectStore,
  snapshot: Snapshot,
  files: readonly AddFile[],
  { signal }: IoOptions,
): Promise<void> {
  const constraints = await constraintsOf(session, snapshot.metadata, { signal })
  if (constraints.length === 0 || files.length === 0) return
  const rows = await scanSelect(session, store, snapshot, { files, signal })
  await reportViolations(store.uri, constraints, () =>
    session.run(`select count(*) from (${enforced(rows, constraints)})`, { signal }),
  )
}

/** Files of a local folder may still be in the memory of the system; those of an object store are durable. */
async function makeDurable(
  store: ObjectStore,
  files: readonly AddFile[],
  paths: readonly string[],
  { signal }: IoOptions,
): Promise<void> {
  const local = new Set(paths)
  const keys = files.map(({ path }) => decodeURIComponent(path))
  await store.publish(
    keys.filter((key) => local.has(join(store.stagingRoot, key))),
    { signal },
  )
}
