/**
 * When each version was committed, and which version was the newest at a time. Delta PROTOCOL.md, "In-Commit
 * Timestamps".
 *
 * The time of a version is its in-commit timestamp. Without one it is the time of the commit's file; if clocks
 * disagreed, it is moved to a millisecond after the version before.
 */

import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { ObjectStore } from '../../storage/store.ts'
import type { Metadata } from '../protocol/metadata.ts'
import { propertiesOf } from '../protocol/properties.ts'
import { hasInCommitTimestamps } from '../protocol/protocol.ts'
import { keyBefore, logFolder, parseLogFile, type Version, version } from './log-path.ts'
import { readInCommitTimestamp } from './read-commit.ts'

/** A version as far as its time is asked for. */
interface DatedVersion {
  readonly version: Version
  readonly metadata: Metadata
}

export interface CommitTime {
  readonly version: Version
  /** Of the commit's file. Milliseconds since the epoch, rising. */
  readonly timestampMs: number
}

/** All commits that are still in the log, oldest first. */
export async function listCommitTimes(
  store: ObjectStore,
  { signal }: IoOptions = {},
): Promise<readonly CommitTime[]> {
  const commits: CommitTime[] = []
  for await (const { key, modifiedMs } of store.list(logFolder, {
    startAfter: keyBefore(version(0)),
    signal,
  })) {
    const name = key.slice(logFolder.length)
    if (name > ':') break
    const file = parseLogFile(name)
    if (file.kind !== 'commit') continue
    const before = commits.at(-1)?.timestampMs ?? Number.NEGATIVE_INFINITY
    commits.push({ version: file.version, timestampMs: Math.max(modifiedMs, before + 1) })
  }
  return commits
}

/**
 * The newest version that was committed at or before a time.
 *
 * @throws LakeError `VERSION_MISSING` when the log begins later.
 */
export async function versionAt(
  store: ObjectStore,
  newest: DatedVersion,
  timestampMs: number,
  { signal }: IoOptions = {},
): Promise<Version> {
  const commits = (await listCommitTimes(store, { signal })).filter(
    (commit) => commit.version <= newest.version,
  )
  const { from, fromMs } = inCommitRange(newest)
  const isWithin = fromMs === undefined || timestampMs >= fromMs
  const [first] = commits
  const found =
    from !== undefined && isWithin
      ? await newestBy(
          commits.filter((commit) => commit.version >= from),
          timestampMs,
          (commit) => requireInCommitTimestamp(store, commit.version, { signal }),
        )
      : await newestBy(
          commits.filter((commit) => from === undefined || commit.version < from),
          timestampMs,
          (commit) => commit.timestampMs,
        )
  if (found !== undefined) return found
  throw new LakeError(
    'VERSION_MISSING',
    `${store.uri}: no version is as old as ${new Date(timestampMs).toISOString()}${first === undefined ? '' : `, the log begins with version ${first.version}`}`,
    { details: { uri: store.uri, timestampMs } },
  )
}

/** The first version that has an in-commit timestamp, and what it is, where that was not from the first on. */
function inCommitRange({ metadata }: DatedVersion): { readonly from?: number; readonly fromMs?: number } {
  if (!hasInCommitTimestamps(metadata)) return {}
  const { inCommitTimestampsSince: from, inCommitTimestampsSinceMs: fromMs } = propertiesOf(
    metadata.configuration,
  )
  if (from === undefined || fromMs === undefined) return { from: 0 }
  return { from, fromMs }
}

async function requireInCommitTimestamp(
  store: ObjectStore,
  of: Version,
  options: IoOptions,
): Promise<number> {
  const timestampMs = await readInCommitTimestamp(store, of, options)
  if (timestampMs !== undefined) return timestampMs
  throw new LakeError('LOG_CORRUPT', `${store.uri}: version ${of} has no in-commit timestamp`, {
    details: { uri: store.uri, version: of },
  })
}

/** Halves the range, since times rise with versions: few commits of many are read. */
async function newestBy(
  commits: readonly CommitTime[],
  timestampMs: number,
  timeOf: (commit: CommitTime) => number | Promise<number>,
): Promise<Version | undefined> {
  let [low, high] = [0, commits.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const commit = commits[middle]
    if (commit !== undefined && (await timeOf(commit)) <= timestampMs) low = middle + 1
    else high = middle
  }
  return commits[low - 1]?.version
}
