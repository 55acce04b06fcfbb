/**
 * Deletes the files in the table's folder that no version within the retention needs.
 *
 * A file is deleted only if three things hold: the newest version does not name it; no commit within the retention
 * removed it or has it as change data; and it is older than the retention. So a writer that has staged a file and
 * commits within the retention keeps it. Empty folders stay, because a writer may be about to write into one. Nothing
 * is written to the log.
 */

import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { logFolder, type Version } from '../log/log-path.ts'
import { tableProperties } from '../protocol/properties.ts'
import { nameInFiles } from '../schema/column-mapping.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { DeltaTable } from '../table.ts'
import { addRecentReferences, References } from './references.ts'

export interface VacuumOptions extends IoOptions {
  /**
   * Milliseconds; `delta.deletedFileRetentionDuration`, or a week, without it. It is measured from the table's clock
   * back to the file times of the store: if those clocks differ, so does the retention.
   */
  readonly retentionMs?: number | undefined
  /** Names the files and removes none. */
  readonly dryRun?: boolean
  /** Allows a retention shorter than the table's: readers and writers of that age lose files that they need. */
  readonly force?: boolean
  readonly onProgress?: (removed: number, of: number) => void
}

export interface VacuumOutcome {
  /** The newest version that was looked at. */
  readonly version: Version
  /** Keys that were removed, or would be in a dry run. */
  readonly files: readonly string[]
  readonly sizeBytes: number
}

const removedAtOnce = 1_000
/** A write that is under way needs its temporary file, however short the retention. */
const leftOverMs = 86_400_000
/** Files that a write of ours leaves behind where it is killed. */
const leftOver = /(?:^|\/)\.[0-9a-f]{8}-[0-9a-f-]{27}(?:\.json|\.parquet)?\.tmp$/

/** Engines write below such a folder, and what they leave there may have a hidden name. */
const ofEngine = /^staged-[0-9a-f]{8}-[0-9a-f-]{27}(?:-parts)?\//

/**
 * @throws LakeError `CONFIG_INVALID` for a retention shorter than the table's without `force`, `PROTOCOL_UNSUPPORTED`
 * for a table that we cannot write, and as `DeltaTable.snapshot` does.
 */
export async function vacuum(
  table: DeltaTable,
  { retentionMs, dryRun = false, force = false, onProgress, signal }: VacuumOptions = {},
): Promise<VacuumOutcome> {
  let snapshot = await table.snapshot({ signal })
  table.requireWritable(snapshot)
  const keptMs = retentionMs ?? snapshot.properties.deletedFileRetentionMs
  requireLongEnough(table, snapshot, keptMs, force)
  const beforeMs = table.clock.now() - keptMs
  const old = await listOld(table, snapshot, beforeMs, { signal })
  if (old.length === 0) return { version: snapshot.version, files: [], sizeBytes: 0 }

  // After the listing: whatever was committed meanwhile is known.
  snapshot = await table.snapshot({ signal })
  let references = await referencesOf(table, snapshot, beforeMs, { signal })
  const unneeded = old.filter(({ key }) => leftOver.test(key) || !references.has(key))
  const removed: string[] = []
  let sizeBytes = 0
  for (let from = 0; from < unneeded.length; from += removedAtOnce) {
    const newest = await table.snapshot({ signal })
    if (newest !== snapshot) {
      snapshot = newest
      references = await referencesOf(table, snapshot, beforeMs, { signal })
    }
    const batch = unneeded
      .slice(from, from + removedAtOnce)
      .filter(({ key }) => leftOver.test(key) || !references.has(key))
    const keys = batch.map(({ key }) => key)
    if (!dryRun) await table.store.delete(keys, { signal })
    removed.push(...keys)
    sizeBytes += batch.reduce((sum, file) => sum + file.sizeBytes, 0)
    onProgress?.(removed.length, unneeded.length)
  }
  return { version: snapshot.version, files: removed, sizeBytes }
}

const property = tableProperties.deletedFileRetentionMs.name

function requireLongEnough({ uri }: DeltaTable, snapshot: Snapshot, keptMs: number, force: boolean): void {
  if (!Number.isFinite(keptMs) || keptMs < 0) {
    throw new LakeError(
      'CONFIG_INVALID',
      `Vacuum of ${uri}: expected a retention from 0 up, got ${keptMs} ms`,
    )
  }
  const leastMs = snapshot.properties.deletedFileRetentionMs
  if (force || keptMs >= leastMs) return
  throw new LakeError(
    'CONFIG_INVALID',
    `Vacuum of ${uri}: expected a retention of at least ${leastMs / 3_600_000} hours, got ${keptMs / 3_600_000}`,
    {
      details: { uri, keptMs, leastMs, fault: 'retention-too-short', property },
    },
  )
}

async function referencesOf(
  table: DeltaTable,
  { state }: Snapshot,
  sinceMs: number,
  { signal }: IoOptions,
): Promise<References> {
  const references = new References()
  for (const file of state.files.values()) references.add(file)
  for (const tombstone of state.tombstones.values()) {
    if ((tombstone.deletionTimestamp ?? 0) >= sinceMs) references.add(tombstone)
  }
  await addRecentReferences(references, table.store, sinceMs, { signal })
  return references
}

interface Found {
  readonly key: string
  readonly sizeBytes: number
}

/** Files that may go by their names and ages. */
async function listOld(
  { store, clock }: DeltaTable,
  { schema, partitionColumns }: Snapshot,
  beforeMs: number,
  { signal }: IoOptions,
): Promise<readonly Found[]> {
  const folders = schema.fields
    .filter(({ name }) => partitionColumns.includes(name))
    .flatMap((field) => [field.name, nameInFiles(field)])
    .flatMap((name) => [`${name}=`, `${encodeURIComponent(name)}=`])
  const isHidden = (part: string): boolean =>
    /^[._]/.test(part) &&
    !part.startsWith('_change_data') &&
    !part.startsWith('_delta_index') &&
    !folders.some((folder) => part.startsWith(folder))
  const found: Found[] = []
  /** Folders of other tables below this one. */
  const others: string[] = []
  for await (const { key, sizeBytes, modifiedMs } of store.list('', { signal })) {
    const nested = key.indexOf(`/${logFolder}`)
    if (nested !== -1) others.push(key.slice(0, nested + 1))
    const mayGo = leftOver.test(key)
      ? modifiedMs < Math.min(beforeMs, clock.now() - leftOverMs)
      : modifiedMs < beforeMs && (ofEngine.test(key) || !key.split('/').some(isHidden))
    if (mayGo) found.push({ key, sizeBytes })
  }
  const nestedRoots = [...new Set(others)]
  return found.filter(({ key }) => !nestedRoots.some((root) => key.startsWith(root)))
}
