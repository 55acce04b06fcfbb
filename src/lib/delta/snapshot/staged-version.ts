/**
 * A version that was staged and is not in the log, as plain data: what its files hold, and how they are read.
 *
 * It is in the form of the log: one action each. As long as its files are there, its rows can be read like those of any
 * version; no reader of the table sees them, and vacuum takes them for files that nobody needs.
 */
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { formatJson, type JsonValue, parseJson } from '../../base/json.ts'
import type { ObjectStore } from '../../storage/store.ts'
import { type AddFile, decodeActions, encodeActions } from '../log/actions.ts'
import { NewestLogFile } from '../log/commit-id.ts'
import { decodeFilePath } from '../log/file-path.ts'
import { commitKey, type Version, version } from '../log/log-path.ts'
import { TableState } from './replay.ts'
import { Snapshot } from './snapshot.ts'

/** @param before the version that the files were staged for. */
export function encodeStagedVersion(before: Snapshot, files: readonly AddFile[]): JsonValue {
  const { protocol, metadata } = before
  const bytes = encodeActions([{ protocol }, { metaData: metadata }, ...files.map((add) => ({ add }))])
  const lines = new TextDecoder().decode(bytes).trimEnd().split('\n')
  return { before: before.version, actions: lines.map((line) => parseJson(line, 'A staged action')) }
}

/**
 * The files alone, as a snapshot: `select` and `scan` read it as they read any. Its version is the one that the files
 * were staged for.
 *
 * @param what names it in errors. @throws LakeError `LOG_CORRUPT` if it is not as it was encoded.
 */
export function decodeStagedVersion(store: ObjectStore, staged: JsonValue, what: string): Snapshot {
  const { before, actions } = partsOf(staged, what)
  const lines = actions.map((action) => formatJson(action)).join('\n')
  const state = new TableState()
  state.apply(decodeActions(new TextEncoder().encode(lines), what))
  // Of no version in the log: a change that was computed from it cannot be committed.
  return new Snapshot(before, state, { store, readFrom: new NewestLogFile(commitKey(before), {}) })
}

function partsOf(
  staged: JsonValue,
  what: string,
): { readonly before: Version; readonly actions: readonly JsonValue[] } {
  if (typeof staged === 'object' && staged !== null && 'before' in staged && 'actions' in staged) {
    const { before, actions } = staged
    if (typeof before === 'number' && Array.isArray(actions)) return { before: version(before), actions }
  }
  throw new LakeError('LOG_CORRUPT', `${what}: expected a version and its actions`, { details: { what } })
}

/** At the same time, so that many files of a remote store take no minute. */
const askedAtOnce = 16

/** The paths of files of `snapshot` that are not in the store. */
export async function missingFiles(
  { store, files }: Snapshot,
  { signal }: IoOptions = {},
): Promise<readonly string[]> {
  const missing: string[] = []
  for (let from = 0; from < files.length; from += askedAtOnce) {
    const some = files.slice(from, from + askedAtOnce)
    const found = await Promise.all(some.map(({ path }) => isThere(store, path, { signal })))
    missing.push(...some.filter((_, at) => found[at] === false).map(({ path }) => path))
  }
  return missing
}

async function isThere(store: ObjectStore, path: string, { signal }: IoOptions): Promise<boolean> {
  const location = decodeFilePath(path)
  // A file at another place is not the table's: reading it says whether it is there.
  return location.kind === 'absolute' || (await store.head(location.key, { signal })) !== undefined
}
