/**
 * Which UTC days a target must make again: those that its input's commits have touched since the commit that
 * the target was made from.
 *
 * The target records that commit itself, its version as a `txn` and its identity in the tags, in the commit that
 * holds its rows. If the input has another commit under that version, every day is made again. Days whose rows
 * another writer has changed in the target are made again too: a day is what its input says, and nothing else.
 */

import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import {
  type Action,
  type AddFile,
  type CommitRef,
  type DeltaTable,
  decodeStatistics,
  readCommitId,
  readCommitIfThere,
  type Snapshot,
  version,
} from '../../lib/delta/index.ts'

/** What a batch is to make: what has changed, everything, or the days of a range (`from` included, `to` not). */
export type Scope =
  | { readonly kind: 'changed' }
  | { readonly kind: 'full' }
  | { readonly kind: 'range'; readonly from: string; readonly to: string }

export interface DayPlan {
  /** ISO days, sorted. A null day cannot be: bronze knows the day of each event. */
  readonly days: readonly string[]
  /** Whether the target, once made, is up to the input's version. */
  readonly isComplete: boolean
  /** The input's commit that the target is made from now. */
  readonly madeFrom: CommitRef | undefined
  /** Why every day is made again where the input does not hold the commit that the target was made from. */
  readonly restored?: string
}

/** The tags of a target's commit that say which commit of the input it was made from. */
export function madeFromTags({ version: of, id }: CommitRef): Readonly<Record<string, string>> {
  return { inputVersion: String(of), inputCommit: id }
}

/**
 * The application under which a target keeps the version of `input` that it was made from. A table that was made
 * anew has versions of its own.
 */
export function madeFrom(input: string, { metadata }: Snapshot): string {
  return `batch/v2/${input}/${metadata.id}`
}

/** Commits that are read at once. */
const readAhead = 32

interface TableAt {
  readonly table: DeltaTable
  readonly snapshot: Snapshot
}

/** @param target `undefined` where the table is not there yet. */
export async function planDays(
  scope: Scope,
  input: TableAt & { readonly name: string },
  target: TableAt | undefined,
  { signal }: IoOptions = {},
): Promise<DayPlan> {
  const allDays = sorted([
    ...daysOf(input.snapshot.files),
    ...(target === undefined ? [] : daysHeld(target.snapshot)),
  ])
  const application = madeFrom(input.name, input.snapshot)
  const inputId = await readCommitId(input.table.store, input.snapshot.version, { signal })
  const all: DayPlan = {
    days: allDays,
    isComplete: true,
    madeFrom: inputId === undefined ? undefined : { version: input.snapshot.version, id: inputId },
  }
  const own = target && (() => sinceOwnCommit(target, application, { signal }))
  switch (scope.kind) {
    case 'full':
      return all
    case 'range':
      return {
        days: allDays.filter((day) => day >= scope.from && day < scope.to),
        isComplete: false,
        madeFrom: (await own?.())?.madeFrom,
      }
    case 'changed': {
      const made = target?.snapshot.transactionVersion(application)
      const since = made === undefined ? undefined : await own?.()
      if (made === undefined || since === undefined) return all
      const restored = await restoredReason(input, made, since.madeFrom, { signal })
      if (restored !== undefined) return { ...all, restored }
      const touched = await touchedDays(input, made, { signal })
      const isKnown = touched !== undefined && since.days !== undefined
      return { ...all, days: isKnown ? sorted([...touched, ...since.days]) : allDays }
    }
  }
}

/** What is known of a target since its newest commit of ours. */
interface SinceOwnCommit {
  /** Days whose rows others have changed since; `undefined` if a commit does not say which. */
  readonly days: readonly string[] | undefined
  /** The input's commit that ours was made from; `undefined` in commits of versions that did not record it. */
  readonly madeFrom: CommitRef | undefined
}

/** `undefined` if the newest commit of ours is no longer in the log. */
async function sinceOwnCommit(
  { table, snapshot }: TableAt,
  application: string,
  { signal }: IoOptions,
): Promise<SinceOwnCommit | undefined> {
  const days = new Set<string>()
  let isKnown = true
  for (let at: number = snapshot.version; at >= 0; at--) {
    const commit = await readCommitIfThere(table.store, version(at), { signal })
    if (commit === undefined) return undefined
    if (commit.some((action) => 'txn' in action && action.txn.appId === application)) {
      return { days: isKnown ? sorted(days) : undefined, madeFrom: recordedIn(commit) }
    }
    const changed = changedDays(commit, snapshot)
    if (changed === undefined) isKnown = false
    for (const day of changed ?? []) days.add(day)
  }
  return undefined
}

function recordedIn(commit: readonly Action[]): CommitRef | undefined {
  for (const action of commit) {
    if (!('commitInfo' in action)) continue
    const { inputVersion, inputCommit } = action.commitInfo.tags ?? {}
    if (inputVersion !== undefined && inputCommit !== undefined)
      return { version: Number(inputVersion), id: inputCommit }
  }
  return undefined
}

/** Why the input no longer holds the commit that the target was made from; `undefined` if it does. */
async function restoredReason(
  { name, table, snapshot }: TableAt & { readonly name: string },
  made: number,
  recorded: CommitRef | undefined,
  { signal }: IoOptions,
): Promise<string | undefined> {
  if (recorded?.version !== made) return `the commit of ${name} that it was made from is not recorded`
  const found = await readCommitId(table.store, made, { signal })
  if (found === recorded.id) return undefined
  if (found === undefined) {
    return made > snapshot.version
      ? `it was made from version ${made} of ${name}, whose newest version is ${snapshot.version}`
      : `version ${made} of ${name}, which it was made from, is no longer in the log`
  }
  return `version ${made} of ${name} is another commit than the one that it was made from`
}

/** `undefined` where that cannot be told: a commit in between is no longer in the log, or does not say it. */
async function touchedDays(
  { table, snapshot }: TableAt,
  after: number,
  { signal }: IoOptions,
): Promise<readonly string[] | undefined> {
  const days = new Set<string>()
  const upTo = snapshot.version
  for (let from = after + 1; from <= upTo; from += readAhead) {
    const versions = Array.from({ length: Math.min(readAhead, upTo - from + 1) }, (_, index) => from + index)
    const commits = await Promise.all(
      versions.map((each) => readCommitIfThere(table.store, version(each), { signal })),
    )
    for (const commit of commits) {
      const changed = commit && changedDays(commit, snapshot)
      if (changed === undefined) return undefined
      for (const day of changed) days.add(day)
    }
  }
  return sorted(days)
}

/** `undefined` where the commit does not say of which days the rows are that it changes. */
function changedDays(
  commit: readonly Action[],
  { partitionColumns }: Snapshot,
): readonly string[] | undefined {
  const files = commit.flatMap((action) => {
    const file = 'add' in action ? action.add : 'remove' in action ? action.remove : undefined
    return file?.dataChange === true ? [file] : []
  })
  const days: string[] = []
  for (const { partitionValues } of files) {
    // The protocol lets a writer leave them out of what it removes.
    if (partitionValues === undefined || !partitionColumns.includes('event_date')) return undefined
    days.push(dayOf(partitionValues['event_date']))
  }
  return days
}

/** Files of the given days, of a table that is partitioned by `event_date`. */
export function filesOfDays(files: readonly AddFile[], days: readonly string[]): readonly AddFile[] {
  const wanted = new Set(days)
  return files.filter((file) => wanted.has(dayOf(file.partitionValues['event_date'])))
}

/** Files of a table without partitions that may hold rows of the given days, by their statistics. */
export function filesThatMayHold(files: readonly AddFile[], days: readonly string[]): readonly AddFile[] {
  return files.filter((file) => {
    const range = rangeOf(file)
    return range === undefined || days.some((day) => range.min <= day && day <= range.max)
  })
}

function daysHeld(target: Snapshot): readonly string[] {
  if (target.partitionColumns.includes('event_date')) return daysOf(target.files)
  // Without partitions the days lie between the bounds; days in between that do not exist cost nothing.
  return target.files.flatMap((file) => {
    const range = rangeOf(file)
    return range === undefined ? [] : daysBetween(range.min, range.max)
  })
}

function daysBetween(min: string, max: string): readonly string[] {
  const days: string[] = []
  for (let ms = Date.parse(min); ms <= Date.parse(max); ms += 86_400_000) {
    days.push(new Date(ms).toISOString().slice(0, 10))
  }
  return days
}

function rangeOf(file: AddFile): { readonly min: string; readonly max: string } | undefined {
  const statistics = decodeStatistics(file.stats)
  const [min, max] = [statistics?.minValues['event_date'], statistics?.maxValues['event_date']]
  return typeof min === 'string' && typeof max === 'string' ? { min, max } : undefined
}

function daysOf(files: readonly AddFile[]): readonly string[] {
  return files.map((file) => dayOf(file.partitionValues['event_date']))
}

function dayOf(value: string | null | undefined): string {
  if (value === null || value === undefined) throw new LakeError('BUG', 'A file without a day')
  return value
}

function sorted(days: Iterable<string>): readonly string[] {
  return [...new Set(days)].sort()
}
