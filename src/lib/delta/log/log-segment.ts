/**
 * Which files of `_delta_log` make up a version: one complete checkpoint and the commits after it.
 *
 * `_last_checkpoint` is a hint that saves listing; it may be stale, torn, or name a file that is gone, and
 * then everything is listed. Delta PROTOCOL.md, "Last Checkpoint File".
 */
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { ObjectStore } from '../../storage/store.ts'
import { keyBefore, lastCheckpointKey, logFolder, parseLogFile, type Version, version } from './log-path.ts'

export interface LogSegment {
  readonly checkpoint: { readonly version: Version; readonly keys: readonly string[] } | undefined
  /** Contiguous, from the version after the checkpoint (or 0) on. */
  readonly commits: readonly { readonly version: Version; readonly key: string }[]
  readonly version: Version
  /** The commit of the version, or its checkpoint where the log has no such commit. */
  readonly newest: { readonly key: string; readonly revision: string }
}

export interface SegmentOptions extends IoOptions {
  /** The version wanted; the newest without it. */
  readonly upTo?: Version
  /** Files of checkpoints that cannot be read. */
  readonly without?: readonly string[]
}

/**
 * @throws LakeError `TABLE_MISSING` when there is no log, `VERSION_MISSING` when `upTo` is not in it, and
 * `LOG_CORRUPT` when a commit is missing in between.
 */
export async function readLogSegment(
  store: ObjectStore,
  { upTo, without = [], signal }: SegmentOptions = {},
): Promise<LogSegment> {
  const hint = without.length > 0 ? undefined : await readLastCheckpoint(store, { signal })
  if (hint !== undefined && (upTo === undefined || hint <= upTo)) {
    const segment = await listSegment(store, hint, { upTo, without, signal })
    if (segment?.checkpoint !== undefined) return segment
  }
  const segment = await listSegment(store, version(0), { upTo, without, signal })
  if (segment === undefined) {
    throw new LakeError('TABLE_MISSING', `${store.uri} is not a Delta table: it has no _delta_log`, {
      details: { uri: store.uri },
    })
  }
  return segment
}

interface ListedFile {
  readonly version: Version
  readonly key: string
  readonly revision: string
}

/** Its key and revision are those of the first part. */
interface ListedCheckpoint extends ListedFile {
  readonly parts: number
  readonly keys: string[]
}

async function listSegment(
  store: ObjectStore,
  from: Version,
  {
    upTo,
    without,
    signal,
  }: {
    readonly upTo: Version | undefined
    readonly without: readonly string[]
    readonly signal: AbortSignal | undefined
  },
): Promise<LogSegment | undefined> {
  const commits: ListedFile[] = []
  const parts = new Map<string, ListedCheckpoint>()
  let newest: Version | undefined
  let previous: string | undefined
  for await (const { key, revision } of store.list(logFolder, { startAfter: keyBefore(from), signal })) {
    const name = key.slice(logFolder.length)
    // Names of log files begin with digits: folders such as _sidecars come after them.
    if (name > ':') break
    // A listing that goes on after a failure may tell a key twice.
    if (key === previous) continue
    previous = key
    const file = parseLogFile(name)
    if (file.kind === 'unknown' || without.includes(key)) continue
    if (file.kind === 'commit' || newest === undefined) newest = file.version
    if (upTo !== undefined && file.version > upTo) continue
    const listed = { version: file.version, key, revision }
    if (file.kind === 'commit') commits.push(listed)
    if (file.kind === 'checkpoint' || file.kind === 'checkpointV2') {
      parts.set(key, { ...listed, parts: 1, keys: [key] })
    }
    if (file.kind === 'checkpointPart') {
      const id = `${file.version}/${file.parts}`
      const set = parts.get(id) ?? { ...listed, parts: file.parts, keys: [] }
      set.keys.push(key)
      parts.set(id, set)
    }
  }
  if (newest === undefined) return undefined
  const checkpoint = [...parts.values()]
    .filter((set) => set.keys.length === set.parts)
    .reduce<ListedCheckpoint | undefined>(
      (best, set) => (best === undefined || set.version > best.version ? set : best),
      undefined,
    )
  const tail = commits.filter((commit) => checkpoint === undefined || commit.version > checkpoint.version)
  const reached = contiguous(store, checkpoint, tail, { upTo, newest, from })
  if (reached === undefined) return undefined
  const newestFile = commits.find((commit) => commit.version === reached) ?? checkpoint
  return newestFile && { checkpoint, commits: tail, version: reached, newest: newestFile }
}

/** Which version the files reach; `undefined` where an earlier start of the list may find more. */
function contiguous(
  store: ObjectStore,
  checkpoint: LogSegment['checkpoint'],
  commits: LogSegment['commits'],
  range: { readonly upTo: Version | undefined; readonly newest: Version; readonly from: Version },
): Version | undefined {
  const first = checkpoint === undefined ? 0 : checkpoint.version + 1
  const gap = commits.findIndex((commit, index) => commit.version !== first + index)
  if (gap !== -1 && checkpoint === undefined && range.from > 0) return undefined
  if (gap !== -1) {
    const missing = first + gap
    throw range.upTo !== undefined && gap === 0 && checkpoint === undefined
      ? versionMissing(store, range.upTo, range.newest)
      : new LakeError('LOG_CORRUPT', `${store.uri}: version ${missing} is missing from _delta_log`, {
          details: { uri: store.uri, version: missing },
        })
  }
  const reached = commits.at(-1)?.version ?? checkpoint?.version
  if (reached === undefined || (range.upTo !== undefined && reached !== range.upTo)) {
    if (range.from > 0) return undefined
    throw versionMissing(store, range.upTo ?? range.newest, range.newest)
  }
  return reached
}

function versionMissing(store: ObjectStore, wanted: Version, newest: Version): LakeError {
  return new LakeError(
    'VERSION_MISSING',
    `${store.uri}: version ${wanted} is not there, the newest is ${newest}`,
    {
      details: { uri: store.uri, version: wanted, newest },
    },
  )
}

async function readLastCheckpoint(store: ObjectStore, { signal }: IoOptions): Promise<Version | undefined> {
  try {
    const hint: unknown = JSON.parse(
      new TextDecoder().decode(await store.read(lastCheckpointKey, { signal })),
    )
    if (typeof hint !== 'object' || hint === null || !('version' in hint)) return undefined
    return version(Number(hint.version))
  } catch {
    // A hint that cannot be read costs a longer listing, nothing else.
    signal?.throwIfAborted()
    return undefined
  }
}
