/**
 * What another engine has to read so that it gets the rows of these files, and no others.
 *
 * Data files alone say it where a file holds what the table says: then they are named one by one, each with the values
 * of its partition, which no file holds. Where rows of a file are deleted, or its columns have other names or types, only
 * a reader of Delta knows; it reads whole partitions of one version.
 */
import { LakeError } from '../../../base/errors.ts'
import type { AddFile } from '../../log/actions.ts'
import { decodeFilePath } from '../../log/file-path.ts'
import type { DataType, Field } from '../../schema/schema.ts'
import { partitionValueOf } from '../../snapshot/partition-value.ts'
import type { Snapshot } from '../../snapshot/snapshot.ts'

export interface PartitionValue {
  readonly name: string
  readonly type: DataType
  /** As the log writes it; null where it has none. */
  readonly value: string | null
}

export type Partition = readonly PartitionValue[]

/** Files that are named one by one. */
export interface ForeignFiles {
  /** Columns that the files hold; one that a file lacks is null. */
  readonly columns: readonly Field[]
  readonly groups: readonly { readonly partition: Partition; readonly uris: readonly string[] }[]
}

/** Whole partitions of a version, for a reader of Delta. */
export interface ForeignVersion {
  readonly uri: string
  readonly version: number
  /** Of these partitions alone; of all without it. */
  readonly partitions?: readonly Partition[]
}

/** The ways that there are: one of them, or both. */
export type ForeignRead =
  | { readonly files: ForeignFiles; readonly version?: ForeignVersion }
  | { readonly files?: undefined; readonly version: ForeignVersion; readonly reason: string }

/**
 * @throws LakeError `PROTOCOL_UNSUPPORTED` where no other engine can be told to read these files alone; `ENGINE_FAILED`
 * for the path of a table that an engine may read as a pattern.
 */
export function foreignRead(snapshot: Snapshot, files: readonly AddFile[] = snapshot.files): ForeignRead {
  const fields = snapshot.schema.fields.filter(({ name }) => snapshot.partitionColumns.includes(name))
  const groups = groupsOf(files, fields)
  const root = engineUri(snapshot.uri)
  const version = versionOf(snapshot, files, groups, { fields, root })
  const reason = whyOnlyDelta(snapshot, files)
  if (reason !== undefined) {
    if (version !== undefined) return { version, reason }
    throw new LakeError(
      'PROTOCOL_UNSUPPORTED',
      `${snapshot.uri}: an engine cannot read some of its files alone: ${reason}`,
      { details: { uri: snapshot.uri, fault: 'not-for-engines' } },
    )
  }
  const columns = snapshot.schema.fields.filter((field) => !fields.includes(field))
  const named = [...groups.values()].map(({ partition, files: of }) => ({
    partition,
    uris: of.map(({ path }) => uriOf(snapshot, path)),
  }))
  return { files: { columns, groups: named }, ...(version && { version }) }
}

type Groups = ReadonlyMap<string, { readonly partition: Partition; readonly files: readonly AddFile[] }>

function groupsOf(files: readonly AddFile[], fields: readonly Field[]): Groups {
  const groups = new Map<string, { readonly partition: Partition; readonly files: AddFile[] }>()
  for (const file of files) {
    const partition = fields.map((field) => ({
      name: field.name,
      type: field.type,
      value: partitionValueOf(field)(file),
    }))
    const key = JSON.stringify(partition.map(({ value }) => value))
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { partition, files: [file] })
    else group.files.push(file)
  }
  return groups
}

/** `undefined` if the files are not all files of their partitions. */
function versionOf(
  snapshot: Snapshot,
  files: readonly AddFile[],
  groups: Groups,
  { fields, root }: { readonly fields: readonly Field[]; readonly root: string },
): ForeignVersion | undefined {
  const whole = { uri: root, version: snapshot.version }
  if (files.length === snapshot.files.length) return whole
  if (fields.length === 0) return undefined
  const all = groupsOf(snapshot.files, fields)
  const areWhole = [...groups].every(([key, { files: some }]) => all.get(key)?.files.length === some.length)
  if (!areWhole) return undefined
  return { ...whole, partitions: [...groups.values()].map(({ partition }) => partition) }
}

/** Where an engine finds what lies at a path or URI of ours. @throws LakeError `ENGINE_FAILED`. */
export function engineUri(uri: string): string {
  if (isPlain(uri)) return uri.startsWith('/') ? `file://${uri}` : uri
  throw new LakeError('ENGINE_FAILED', `${uri}: expected a path that an engine takes as it is`, {
    details: { uri, fault: 'path-not-for-engine' },
  })
}

function whyOnlyDelta(
  { columnMapping, metadata, uri }: Snapshot,
  files: readonly AddFile[],
): string | undefined {
  if (columnMapping !== 'none') return 'its columns are mapped'
  if (metadata.schemaString.includes('delta.typeChanges')) return 'types of its columns were widened'
  const deleted = files.find(({ deletionVector }) => deletionVector !== undefined)
  if (deleted !== undefined) return `rows of ${deleted.path} are deleted by a deletion vector`
  const odd = files.find(({ path }) => !isPlain(pathOf(uri, path)))
  return odd === undefined ? undefined : `an engine may take the path ${odd.path} for another`
}

function uriOf({ uri }: Snapshot, path: string): string {
  return engineUri(pathOf(uri, path))
}

function pathOf(uri: string, path: string): string {
  const location = decodeFilePath(path)
  return location.kind === 'relative' ? `${uri}/${location.key}` : location.uri
}

/** Engines read some characters of a path as a pattern, and decode others. */
const isPlain = (path: string): boolean => /^(?:\/|s3:\/\/)[\w./=@+~,-]+$/.test(path)
