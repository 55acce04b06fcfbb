/**
 * Deletes old commits and checkpoints from the log. Delta PROTOCOL.md, "Metadata Cleanup".
 *
 * The newest checkpoint at or before the cutoff stays, with the commit of its version and everything after it. So
 * every version that was the newest one at some time since the cutoff can be read. The oldest files go first.
 */
import { isLakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { DuckDb } from '../../duckdb/duckdb.ts'
import type { ObjectStore } from '../../storage/store.ts'
import { readSidecarNames } from '../log/checkpoint-reader.ts'
import { versionAt } from '../log/commit-times.ts'
import { decodeFilePath } from '../log/file-path.ts'
import { commitKey, logFolder, parseLogFile, sidecarFolder, type Version, version } from '../log/log-path.ts'
import type { Snapshot } from './snapshot.ts'

const dayMs = 86_400_000
const deletedAtOnce = 1_000
/** The version that a file of the log belongs to; of a compacted log file the last. */
const versioned = /^(?<from>\d{20})\.(?:(?<to>\d{20})\.compacted\.json|json|crc|checkpoint\..*)$/

export interface LogCleanupOptions extends IoOptions {
  /** The time now. Milliseconds since the epoch. */
  readonly nowMs: number
}

/**
 * Removes what `delta.logRetentionDuration` has expired, by whole UTC days, unless `delta.enableExpiredLogCleanup`
 * is false. A file goes only when its commit is that old and the file is too.
 *
 * @param newest The newest version.
 * @returns How many files went.
 * @throws LakeError `CONFIG_INVALID` for a retention that is no span of time, and as the store does.
 */
export async function cleanLog(
  store: ObjectStore,
  duckdb: DuckDb,
  newest: Snapshot,
  { nowMs, signal }: LogCleanupOptions,
): Promise<number> {
  const { properties } = newest
  if (!properties.enableExpiredLogCleanup) return 0
  const expiredMs = nowMs - properties.logRetentionMs
  const cutoffMs = Math.floor(expiredMs / dayMs) * dayMs
  if (!(await beginsBefore(store, cutoffMs, { signal }))) return 0
  const last = await newestAt(store, newest, cutoffMs, { signal })
  if (last === undefined) return 0
  const log = await listLog(store, last, { signal })
  const kept = newestCheckpoint(log)
  // Without the commit of its version a checkpoint does not tell when it was.
  if (kept === undefined || (await store.head(commitKey(kept), { signal })) === undefined) return 0
  const expired = log
    .filter((file) => file.version < kept && file.modifiedMs < cutoffMs)
    .map(({ key }) => key)
  await deleteAll(store, expired, { signal })
  const sidecars = await expiredSidecars(store, duckdb, cutoffMs, { signal })
  await deleteAll(store, sidecars, { signal })
  return expired.length + sidecars.length
}

/** Whether the oldest commit is that old: a look at one file, since this is asked after every checkpoint. */
async function beginsBefore(store: ObjectStore, cutoffMs: number, { signal }: IoOptions): Promise<boolean> {
  for await (const { key, modifiedMs } of store.list(logFolder, { startAfter: `${logFolder}0`, signal })) {
    if (parseLogFile(key.slice(logFolder.length)).kind === 'commit') return modifiedMs < cutoffMs
  }
  return false
}

async function newestAt(
  store: ObjectStore,
  newest: Snapshot,
  timestampMs: number,
  { signal }: IoOptions,
): Promise<Version | undefined> {
  try {
    return await versionAt(store, newest, timestampMs, { signal })
  } catch (error) {
    if (isLakeError(error, 'VERSION_MISSING')) return undefined
    throw error
  }
}

interface LogEntry {
  readonly key: string
  readonly name: string
  readonly version: Version
  readonly modifiedMs: number
}

/** All files of the versions up to `last`, oldest first. */
async function listLog(
  store: ObjectStore,
  last: Version,
  { signal }: IoOptions,
): Promise<readonly LogEntry[]> {
  const files: LogEntry[] = []
  for await (const { key, modifiedMs } of store.list(logFolder, { startAfter: `${logFolder}0`, signal })) {
    const name = key.slice(logFolder.length)
    if (name > ':') break
    const { from, to = from } = versioned.exec(name)?.groups ?? {}
    if (from === undefined || Number(from) > last) continue
    files.push({ key, name, version: version(Number(to)), modifiedMs })
  }
  return files
}

function newestCheckpoint(files: readonly LogEntry[]): Version | undefined {
  const parts = new Map<string, number>()
  let newest: Version | undefined
  for (const { name } of files) {
    const file = parseLogFile(name)
    if (file.kind === 'unknown' || file.kind === 'commit') continue
    if (file.kind === 'checkpointPart') {
      const id = `${file.version}/${file.parts}`
      parts.set(id, (parts.get(id) ?? 0) + 1)
      if (parts.get(id) !== file.parts) continue
    }
    if (newest === undefined || file.version > newest) newest = file.version
  }
  return newest
}

/** Sidecars that no checkpoint names, and that are too old to be of one that is being written. */
async function expiredSidecars(
  store: ObjectStore,
  duckdb: DuckDb,
  cutoffMs: number,
  { signal }: IoOptions,
): Promise<readonly string[]> {
  const old: string[] = []
  for await (const { key, modifiedMs } of store.list(sidecarFolder, { signal })) {
    if (modifiedMs < cutoffMs && key.endsWith('.parquet')) old.push(key)
  }
  if (old.length === 0) return old
  const named = new Set<string>()
  for await (const { key } of store.list(logFolder, { startAfter: `${logFolder}0`, signal })) {
    const name = key.slice(logFolder.length)
    if (name > ':') break
    const { kind } = parseLogFile(name)
    if (kind === 'unknown' || kind === 'commit') continue
    for (const path of await readSidecarNames(store, duckdb, key, { signal })) {
      const place = decodeFilePath(path)
      named.add((place.kind === 'relative' ? place.key : place.uri).replace(/^.*\//, ''))
    }
  }
  return old.filter((key) => !named.has(key.slice(key.lastIndexOf('/') + 1)))
}

async function deleteAll(store: ObjectStore, keys: readonly string[], { signal }: IoOptions): Promise<void> {
  for (let from = 0; from < keys.length; from += deletedAtOnce) {
    await store.delete(keys.slice(from, from + deletedAtOnce), { signal })
  }
}
