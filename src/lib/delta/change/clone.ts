/**
 * Copies a table to another root: a table with files and a history of its own.
 *
 * The files are copied first, byte for byte and under their names. The one commit follows. A clone that was cut short
 * left no table, and is made again. What applications have written (`txn`) is not copied.
 */

import { randomUUID } from 'node:crypto'
import { posix } from 'node:path'
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { ObjectStore } from '../../storage/store.ts'
import type { AddFile, DeletionVector } from '../log/actions.ts'
import { decodeFilePath, encodeFilePath } from '../log/file-path.ts'
import { readTableFile } from '../log/local-paths.ts'
import { logFolder, version as versionOf } from '../log/log-path.ts'
import type { Metadata } from '../protocol/metadata.ts'
import { requireWritable } from '../protocol/protocol.ts'
import { withoutInCommitTimestampsSince } from '../protocol/set-properties.ts'
import { deletionVectorPlace } from '../snapshot/deletion-vector.ts'
import type { DeltaTable, ReadOptions } from '../table.ts'
import type { Metrics, WriteOutcome } from './write.ts'

/** Files are copied so many at a time; each is in memory as a whole. */
const concurrency = 4

/**
 * @returns Always `committed`, with version 0.
 * @throws LakeError `TABLE_EXISTS` where there is a table already, `PROTOCOL_UNSUPPORTED` for a table with features
 * that we cannot write, `OBJECT_MISSING` for a file that is gone, `LOG_CORRUPT` for one in the log.
 */
export async function cloneDeep(
  source: DeltaTable,
  target: DeltaTable,
  { version, timestampMs, signal }: ReadOptions = {},
): Promise<WriteOutcome> {
  const snapshot = await source.snapshot({ version, timestampMs, signal })
  const { protocol } = snapshot
  const metadata = clonedMetadata(snapshot.metadata, target.clock.now())
  requireWritable(protocol, metadata, target.uri)
  if (await target.exists({ signal })) throw exists(target)
  const files = await copyFiles(source.store, target.store, snapshot.files, { signal })
  const sizeBytes = snapshot.sizeBytes
  const metrics: Metrics = {
    sourceTableSize: sizeBytes,
    sourceNumOfFiles: files.length,
    numRemovedFiles: 0,
    numCopiedFiles: files.length,
    removedFilesSize: 0,
    copiedFilesSize: sizeBytes,
  }
  const outcome = await target.create(
    {
      protocol,
      metadata,
      add: files,
      domains: [...snapshot.state.domains.values()],
      operation: {
        name: 'CLONE',
        parameters: { source: source.uri, sourceVersion: snapshot.version, isShallow: false },
        metrics,
      },
    },
    { signal },
  )
  if (outcome === 'exists') throw exists(target)
  return { kind: 'committed', version: versionOf(0), metrics }
}

function clonedMetadata(metadata: Metadata, nowMs: number): Metadata {
  const configuration = withoutInCommitTimestampsSince(metadata.configuration)
  return { ...metadata, id: randomUUID(), configuration, createdTime: nowMs }
}

function exists(target: DeltaTable): LakeError {
  return new LakeError('TABLE_EXISTS', `Cannot clone to ${target.uri}: there is a table already`, {
    details: { uri: target.uri },
  })
}

/** Where a file of the source lies in the target. Files from outside of the source's root get names of their own. */
class Places {
  readonly #keys = new Map<string, string>()

  keyOf(path: string): string {
    const location = decodeFilePath(path)
    if (location.kind === 'relative') {
      requireOutsideOfLog(path, location.key)
      this.#keys.set(path, location.key)
      return location.key
    }
    const key = this.#keys.get(path) ?? `${randomUUID()}-${posix.basename(location.uri)}`
    this.#keys.set(path, key)
    return key
  }

  /** Paths as the source's log has them, and the keys that they go to. */
  get all(): ReadonlyMap<string, string> {
    return this.#keys
  }
}

/** A data file under such a name would be a commit of the target. @throws LakeError `LOG_CORRUPT`. */
function requireOutsideOfLog(path: string, key: string): void {
  if (!posix.normalize(key).startsWith(logFolder)) return
  throw new LakeError('LOG_CORRUPT', `Cannot clone: data file ${path} lies in the log`, { details: { path } })
}

async function copyFiles(
  from: ObjectStore,
  to: ObjectStore,
  files: readonly AddFile[],
  { signal }: IoOptions,
): Promise<readonly AddFile[]> {
  const places = new Places()
  const cloned = files.map((file) => {
    const { path, deletionVector, ...rest } = file
    const key = places.keyOf(path)
    return {
      ...rest,
      path: decodeFilePath(path).kind === 'relative' ? path : encodeFilePath(key),
      dataChange: true,
      ...(deletionVector !== undefined && { deletionVector: clonedVector(deletionVector, places) }),
    }
  })
  const entries = places.all.entries()
  const copyAll = async (): Promise<void> => {
    for (const [path, key] of entries) {
      const bytes = await readTableFile(from, path, { signal })
      await to.put(key, bytes, { signal })
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, places.all.size) }, copyAll))
  return cloned
}

/** A vector inside the log, or in a file of the table, is copied. One whose file has an absolute path is refused. */
function clonedVector(vector: DeletionVector, places: Places): DeletionVector {
  const place = deletionVectorPlace(vector)
  if (place.kind === 'inline') return vector
  if (vector.storageType === 'u') {
    places.keyOf(place.path)
    return vector
  }
  throw new LakeError(
    'PROTOCOL_UNSUPPORTED',
    `Cannot clone: deletion vector ${place.path} lies outside of the table`,
    {
      details: { path: place.path },
    },
  )
}
