/**
 * Makes an older version of a table the newest again, in a commit of its own.
 *
 * Files, schema and properties are those of the older version. These only grow and stay as they are: the protocol,
 * the versions that applications have written (`txn`), the ids of columns, and in-commit timestamps.
 */
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { ObjectStore } from '../../storage/store.ts'
import type { AddFile } from '../log/actions.ts'
import { fileIdentity } from '../log/file-path.ts'
import { isThere } from '../log/local-paths.ts'
import { requireRoomForChanges } from '../protocol/change-columns.ts'
import type { Metadata } from '../protocol/metadata.ts'
import { propertiesOf, tableProperties } from '../protocol/properties.ts'
import { requireWritable } from '../protocol/protocol.ts'
import { mergedProtocol } from '../protocol/protocol-for.ts'
import { deletionVectorId, deletionVectorPlace } from '../snapshot/deletion-vector.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { DeltaTable } from '../table.ts'
import { type WriteOptions, type WriteOutcome, write } from './write.ts'

export interface RestoreOptions extends Omit<WriteOptions, 'transaction' | 'computedFrom'> {
  /** Either this, or `timestampMs`. */
  readonly version?: number
  /** The newest version committed at or before. Milliseconds since the epoch. */
  readonly timestampMs?: number
}

/** Files are looked for so many at a time. */
const concurrency = 16

/**
 * @throws LakeError `VERSION_MISSING`; `OBJECT_MISSING` naming files of then that are gone; `CONSTRAINT_VIOLATED` where
 * the table only grows; and as `write` does. Nothing is changed then.
 */
export async function restore(
  table: DeltaTable,
  { version, timestampMs, ...options }: RestoreOptions,
): Promise<WriteOutcome> {
  const { signal } = options
  if ((version === undefined) === (timestampMs === undefined)) {
    throw new LakeError('USAGE', 'Restore: expected either a version or a time')
  }
  const wanted = await table.snapshot({ version, timestampMs, signal })
  return write(table, options, async (snapshot) => {
    table.requireWritable(snapshot, 'rows')
    const [ofThen, ofNow] = [byKey(wanted.files), byKey(snapshot.files)]
    const add = wanted.files.filter((file) => !ofNow.has(keyOf(file)))
    const remove = snapshot.files.filter((file) => !ofThen.has(keyOf(file)))
    const metadata = restoredMetadata(wanted.metadata, snapshot.metadata)
    const isSame = JSON.stringify(metadata) === JSON.stringify(snapshot.metadata)
    if (add.length === 0 && remove.length === 0 && isSame) return undefined
    await requireFiles(table.store, add, wanted, { signal })
    const protocol = mergedProtocol(snapshot.protocol, wanted.protocol)
    requireWritable(protocol, metadata, table.uri)
    requireRoomForChanges(wanted.schema, metadata.configuration, table.uri)
    return {
      add: add.map((file) => ({ ...file, dataChange: true })),
      remove,
      ...(!isSame && { metadata }),
      ...(protocol !== snapshot.protocol && { protocol }),
      reads: { kind: 'table' },
      operation: {
        name: 'RESTORE',
        parameters: {
          version: version ?? null,
          timestamp: timestampMs === undefined ? null : new Date(timestampMs).toISOString(),
        },
        metrics: {
          tableSizeAfterRestore: sizeOf(wanted.files),
          numOfFilesAfterRestore: wanted.files.length,
          numRemovedFiles: remove.length,
          numRestoredFiles: add.length,
          removedFilesSize: sizeOf(remove),
          restoredFilesSize: sizeOf(add),
        },
      },
    }
  })
}

function restoredMetadata(then: Metadata, now: Metadata): Metadata {
  const configuration: Record<string, string> = { ...then.configuration }
  for (const name of inCommitTimestamps) {
    const value = now.configuration[name]
    if (value === undefined) delete configuration[name]
    else configuration[name] = value
  }
  const ids = [then, now].map((of) => propertiesOf(of.configuration).maxColumnId)
  const highest = Math.max(...ids)
  if (highest > 0) configuration[tableProperties.maxColumnId.name] = String(highest)
  return { ...then, id: now.id, configuration }
}

const inCommitTimestamps = [
  tableProperties.enableInCommitTimestamps.name,
  tableProperties.inCommitTimestampsSince.name,
  tableProperties.inCommitTimestampsSinceMs.name,
]

async function requireFiles(
  store: ObjectStore,
  files: readonly AddFile[],
  { version }: Snapshot,
  { signal }: IoOptions,
): Promise<void> {
  const paths = new Set(
    files.flatMap(({ path, deletionVector }) => {
      const place = deletionVector === undefined ? undefined : deletionVectorPlace(deletionVector)
      return place?.kind === 'file' ? [path, place.path] : [path]
    }),
  )
  const gone: string[] = []
  const entries = paths.values()
  const lookForAll = async (): Promise<void> => {
    for (const path of entries) if (!(await isThere(store, path, { signal }))) gone.push(fileIdentity(path))
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, paths.size) }, lookForAll))
  if (gone.length === 0) return
  const shown = gone.sort().slice(0, 5)
  const others = gone.length > shown.length ? ` and ${gone.length - shown.length} others` : ''
  throw new LakeError(
    'OBJECT_MISSING',
    `Cannot restore ${store.uri} to version ${version}: ${shown.join(', ')}${others} ${gone.length === 1 ? 'is' : 'are'} gone`,
    {
      details: { uri: store.uri, version, gone, fault: 'files-vacuumed' },
    },
  )
}

function byKey(files: readonly AddFile[]): ReadonlySet<string> {
  return new Set(files.map(keyOf))
}

function keyOf({ path, deletionVector }: AddFile): string {
  const identity = fileIdentity(path)
  return deletionVector === undefined ? identity : `${identity}\0${deletionVectorId(deletionVector)}`
}

function sizeOf(files: readonly AddFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0)
}
