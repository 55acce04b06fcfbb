/**
 * The rows that each version inserted, updated and deleted. Delta PROTOCOL.md, "Change Data Files" and "Change Data
 * Feed".
 *
 * If a commit has change files, they hold all of its changes. Otherwise the rows of added files are inserts, and the
 * rows of removed files are deletes. If a file only got a new deletion vector, the changes are the rows in which the
 * two vectors differ.
 */

import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { createTemporaryTable } from '../../duckdb/append.ts'
import type { DuckDb, DuckDbSession } from '../../duckdb/duckdb.ts'
import { identifier } from '../../duckdb/sql-text.ts'
import type { ObjectStore } from '../../storage/store.ts'
import type { Action, AddFile, ChangeFile, DeletionVector, RemoveFile } from '../log/actions.ts'
import { listCommitTimes } from '../log/commit-times.ts'
import { fileIdentity } from '../log/file-path.ts'
import { commitInfoOf } from '../log/history.ts'
import { version as tableVersion, type Version } from '../log/log-path.ts'
import { readCommitIfThere } from '../log/read-commit.ts'
import { requireNoChangeColumn } from '../protocol/change-columns.ts'
import { fileSchema } from '../protocol/mapping.ts'
import { partitionKeys } from '../schema/column-mapping.ts'
import { field } from '../schema/schema.ts'
import { readDeletionVectors } from '../snapshot/deletion-vector.ts'
import { RowSet } from '../snapshot/row-set.ts'
import { readSnapshot, type Snapshot } from '../snapshot/snapshot.ts'
import { createRowTable } from './row-table.ts'
import { scanSelect } from './scan.ts'

export interface ChangesOptions extends IoOptions {
  /** The first version of the range. */
  readonly from: number
}

type ChangeType = 'insert' | 'delete'

/** Rows of one file, all of one change. */
interface ChangedFile {
  readonly file: AddFile
  /** `undefined` where the file says it of each row. */
  readonly type: ChangeType | undefined
  readonly version: Version
  readonly timestampMs: number
  /** Only these rows, whatever deletion vector the file has. */
  readonly rows?: RowSet
}

const [fileColumn, rowColumn] = ['__changed_file', '__changed_row']
let feeds = 0

/**
 * A SELECT, valid only in `session`, with the columns of `to`, then `_change_type` (`insert`, `delete`,
 * `update_preimage`, `update_postimage`), `_commit_version` and `_commit_timestamp`. Rows come in no order.
 *
 * @param to The last version of the range. The columns are those of its schema.
 * @throws LakeError `VERSION_MISSING` for a version that the log has not (any more), `SCHEMA_MISMATCH` where the
 * partitioning was changed in between, or a column has the name of one of ours.
 */
export async function changesSelect(
  session: DuckDbSession,
  store: ObjectStore,
  duckdb: DuckDb,
  to: Snapshot,
  { from, signal }: ChangesOptions,
): Promise<string> {
  const first = tableVersion(from)
  if (first > to.version) {
    throw new LakeError(
      'VERSION_MISSING',
      `${store.uri}: expected a range of versions, got ${first} to ${to.version}`,
      {
        details: { fault: 'versions-reversed' },
      },
    )
  }
  requireNoChangeColumn(to.schema, store.uri)
  const changed = await changedFiles(store, duckdb, to, first, { signal })
  feeds += 1
  const parts = [
    ...(await selectPart(session, store, to, changed.filter(isWhole), `changes_${feeds}_files`, { signal })),
    ...(await selectPart(session, store, to, changed.filter(isPart), `changes_${feeds}_parts`, { signal })),
    ...(await selectPart(session, store, to, changed.filter(isOwnFile), `changes_${feeds}_own`, { signal })),
  ]
  if (parts.length > 0) return parts.join(' union all ')
  const empty = await scanSelect(session, store, to, { files: [], signal })
  return `select *, null::varchar as _change_type, null::bigint as _commit_version, null::timestamptz as _commit_timestamp from (${empty})`
}

const isOwnFile = ({ type }: ChangedFile): boolean => type === undefined
const isPart = ({ rows }: ChangedFile): boolean => rows !== undefined
const isWhole = (change: ChangedFile): boolean => !isOwnFile(change) && !isPart(change)

async function changedFiles(
  store: ObjectStore,
  duckdb: DuckDb,
  to: Snapshot,
  from: Version,
  { signal }: IoOptions,
): Promise<readonly ChangedFile[]> {
  const fileTimes = new Map(
    (await listCommitTimes(store, { signal })).map(({ version, timestampMs }) => [version, timestampMs]),
  )
  const changed: ChangedFile[] = []
  for (let at = from; at <= to.version; at = tableVersion(at + 1)) {
    const actions = await readCommitIfThere(store, at, { signal })
    if (actions === undefined) {
      throw new LakeError(
        'VERSION_MISSING',
        `${store.uri}: the commit of version ${at} is no longer in the log`,
        {
          details: { uri: store.uri, version: at },
        },
      )
    }
    requireSamePartitions(store, to, actions, at)
    const info = commitInfoOf(actions)
    const timestampMs = info?.inCommitTimestamp ?? fileTimes.get(at) ?? 0
    for (const change of await changesOf(store, duckdb, to, at, actions, { signal })) {
      changed.push({ ...change, version: at, timestampMs })
    }
  }
  return changed
}

function requireSamePartitions(
  store: ObjectStore,
  to: Snapshot,
  actions: readonly Action[],
  at: Version,
): void {
  for (const action of actions) {
    if (!('metaData' in action)) continue
    const { partitionColumns: then } = action.metaData
    const last = to.partitionColumns
    const keysThen = partitionKeys(fileSchema(action.metaData), then)
    const keys = partitionKeys(to.schema, last)
    if (keysThen.length === keys.length && keysThen.every((key) => keys.includes(key))) continue
    throw new LakeError(
      'SCHEMA_MISMATCH',
      `${store.uri}: version ${at} is partitioned by ${then.join(', ') || 'nothing'}, version ${to.version} by ${last.join(', ') || 'nothing'}`,
      { details: { fault: 'partitions-changed' } },
    )
  }
}

async function changesOf(
  store: ObjectStore,
  duckdb: DuckDb,
  to: Snapshot,
  at: Version,
  actions: readonly Action[],
  { signal }: IoOptions,
): Promise<readonly Omit<ChangedFile, 'version' | 'timestampMs'>[]> {
  const own = actions.flatMap((action) => ('cdc' in action ? [action.cdc] : []))
  if (own.length > 0) return own.map((file) => ({ file: fileOf(file), type: undefined }))
  const adds = new Map<string, AddFile>()
  const removes = new Map<string, RemoveFile>()
  for (const action of actions) {
    if ('add' in action && action.add.dataChange) adds.set(fileIdentity(action.add.path), action.add)
    if ('remove' in action && action.remove.dataChange)
      removes.set(fileIdentity(action.remove.path), action.remove)
  }
  const before = needsSnapshotBefore(to, removes)
    ? await filesBefore(store, duckdb, at, { signal })
    : undefined
  const changed: Omit<ChangedFile, 'version' | 'timestampMs'>[] = []
  for (const [key, remove] of removes) {
    const add = adds.get(key)
    const file = fileOf({ ...remove, partitionValues: remove.partitionValues ?? before?.get(key) ?? {} })
    if (add === undefined) {
      changed.push({ file, type: 'delete' })
      continue
    }
    adds.delete(key)
    const [then, now] = await readDeletionVectors(store, [remove, add], { signal })
    const [gone, back] = [now ?? RowSet.empty, then ?? RowSet.empty]
    changed.push({ file: bare(add), type: 'delete', rows: gone.minus(back) })
    changed.push({ file: bare(add), type: 'insert', rows: back.minus(gone) })
  }
  for (const file of adds.values()) changed.push({ file, type: 'insert' })
  return changed.filter(({ rows }) => rows === undefined || rows.cardinality > 0)
}

/** Old writers did not repeat a file's partition values in its remove. */
function needsSnapshotBefore(
  { partitionColumns }: Snapshot,
  removes: ReadonlyMap<string, RemoveFile>,
): boolean {
  if (partitionColumns.length === 0) return false
  return [...removes.values()].some(({ partitionValues }) => partitionValues === undefined)
}

async function filesBefore(
  store: ObjectStore,
  duckdb: DuckDb,
  at: Version,
  { signal }: IoOptions,
): Promise<ReadonlyMap<string, AddFile['partitionValues']>> {
  const { files } = await readSnapshot(store, duckdb, { version: at - 1, signal })
  return new Map(files.map(({ path, partitionValues }) => [fileIdentity(path), partitionValues]))
}

function fileOf(
  file: Pick<ChangeFile, 'path' | 'partitionValues'> & { readonly deletionVector?: DeletionVector },
): AddFile {
  const { path, partitionValues, deletionVector } = file
  return {
    path,
    partitionValues,
    size: 0,
    modificationTime: 0,
    dataChange: true,
    ...(deletionVector !== undefined && { deletionVector }),
  }
}

function bare({ deletionVector: _, ...file }: AddFile): AddFile {
  return file
}

async function selectPart(
  session: DuckDbSession,
  store: ObjectStore,
  { schema, partitionColumns, columnMapping }: Snapshot,
  changed: readonly ChangedFile[],
  name: string,
  { signal }: IoOptions,
): Promise<readonly string[]> {
  if (changed.length === 0) return []
  const ofFile = changed.every(isOwnFile)
  const ofRows = changed.every(isPart)
  await createTemporaryTable(session, name, [
    { name: 'file', kind: 'integer', values: changed.map((_, index) => index) },
    { name: 'change', kind: 'varchar', values: changed.map(({ type }) => type ?? null) },
    { name: 'version', kind: 'bigint', values: changed.map(({ version }) => BigInt(version)) },
    { name: 'time', kind: 'timestampMs', values: changed.map(({ timestampMs }) => timestampMs) },
  ])
  if (ofRows) {
    const rows = changed.map((change) => change.rows)
    await createRowTable(session, `${name}_rows`, rows, { signal })
  }
  const files = changed.map(({ file }) => file)
  const fields = ofFile ? [...schema.fields, field('_change_type', 'string')] : schema.fields
  const scan = await scanSelect(
    session,
    store,
    { schema: { type: 'struct', fields }, partitionColumns, columnMapping, files },
    { withRowPlace: { file: fileColumn, row: rowColumn }, signal },
  )
  const columns = schema.fields.map((each) => `scanned.${identifier(each.name)}`)
  const change = ofFile ? 'scanned._change_type' : 'changed.change as _change_type'
  return [
    [
      `select ${[...columns, change, 'changed.version as _commit_version', 'changed.time as _commit_timestamp'].join(', ')}`,
      `from (${scan}) as scanned join temp.${name} as changed on changed.file = scanned.${fileColumn}`,
      ...(ofRows
        ? [
            `where exists (select 1 from temp.${name}_rows as part where part.file = scanned.${fileColumn} and part."row" = scanned.${rowColumn})`,
          ]
        : []),
    ].join(' '),
  ]
}
