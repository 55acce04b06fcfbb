/**
 * Which UTC days a target must make again: those that its input's commits have touched since the commit that
 * the target was made from.
 *
 * The target records that commit itself, its version as a `txn` and its identity in the tags, in the commit that
 * holds its rows. If the input has another commit under that version, every day is made again. Days whose rows
 * another writer has changed in the target are made again too: a day is what its input says, and nothing else.
 */

import type { IoOptions } from '../../lib/base/io.ts'
import type { AddFile, ChangedPartitions, CommitRef, Snapshot } from '../../lib/delta/index.ts'
import { type DayRange, dayColumn, dayOf } from '../model/days.ts'
import { madeFrom, madeFromOf } from '../model/made-from.ts'

/** What a batch is to make: what has changed, everything, the days of a range (`from` included, `to` not), or single days. */
export type Scope =
  | { readonly kind: 'changed' }
  | { readonly kind: 'full' }
  | ({ readonly kind: 'range' } & DayRange)
  | { readonly kind: 'days'; readonly days: readonly string[] }

export interface DayPlan {
  /** ISO days, sorted. */
  readonly days: readonly string[]
  /** Whether the target, once made, is up to the input's version. */
  readonly isComplete: boolean
  /** The input's commit that the target is made from now. */
  readonly madeFrom: CommitRef | undefined
  readonly lineage: Lineage
}

/** Whether the input still holds the commit that the target was made from. If not, every day is made again. */
export type Lineage = { readonly kind: 'kept' } | { readonly kind: 'broken'; readonly reason: string }

/** The table that days are made from, at one version. */
export interface Input {
  readonly name: string
  readonly snapshot: Snapshot
}

/** @param target `undefined` where the table is not there yet. */
export async function planDays(
  scope: Scope,
  input: Input,
  target: Snapshot | undefined,
  { signal }: IoOptions = {},
): Promise<DayPlan> {
  const allDays = sorted([...daysOf(input.snapshot), ...(target === undefined ? [] : daysHeld(target))])
  const all: DayPlan = {
    days: allDays,
    isComplete: true,
    madeFrom: await input.snapshot.commitRef({ signal }),
    lineage: { kind: 'kept' },
  }
  switch (scope.kind) {
    case 'full':
      return all
    case 'range':
    case 'days':
      return {
        ...all,
        days: allDays.filter((day) =>
          scope.kind === 'days' ? scope.days.includes(day) : day >= scope.from && day < scope.to,
        ),
        isComplete: false,
        madeFrom: (await sinceOwnCommit(input, target, { signal }))?.madeFrom,
      }
    case 'changed':
      return { ...all, ...(await changedDays(input, target, { signal })) }
  }
}

/** Days that the input or others have changed since the target was made; nothing if it may be any day. */
async function changedDays(
  input: Input,
  target: Snapshot | undefined,
  { signal }: IoOptions,
): Promise<Partial<Pick<DayPlan, 'days' | 'lineage'>>> {
  const since = await sinceOwnCommit(input, target, { signal })
  if (since === undefined) return {}
  const lineage = await lineageOf(input, since.version, since.madeFrom, { signal })
  if (lineage.kind === 'broken') return { lineage }
  const touched = await input.snapshot.changedPartitions(dayColumn, { since: since.version, signal })
  if (touched.kind === 'unknown' || since.changed.kind === 'unknown') return {}
  return { days: sorted([...daysIn(touched.values), ...daysIn(since.changed.values)]) }
}

/** What is known of a target since its newest commit of ours. */
interface SinceOwnCommit {
  /** The version of the input that ours was made from. */
  readonly version: number
  /** Days whose rows others have changed since. */
  readonly changed: ChangedPartitions
  /** The input's commit that ours was made from; `undefined` in commits of versions that did not record it. */
  readonly madeFrom: CommitRef | undefined
}

/** `undefined` if no commit of ours is in the target's log. */
async function sinceOwnCommit(
  { name, snapshot: input }: Input,
  target: Snapshot | undefined,
  { signal }: IoOptions,
): Promise<SinceOwnCommit | undefined> {
  const application = madeFrom(name, input)
  const made = target?.transactionVersion(application)
  if (target === undefined || made === undefined) return undefined
  const values = new Set<string | null>()
  let isKnown = true
  for await (const commit of target.commits({ signal })) {
    if (application in commit.transactions) {
      const changed: ChangedPartitions = isKnown ? { kind: 'known', values } : { kind: 'unknown' }
      return { version: made, changed, madeFrom: madeFromOf(commit.info) }
    }
    const changed = target.partitionsChangedBy(commit, dayColumn)
    if (changed.kind === 'unknown') isKnown = false
    else for (const value of changed.values) values.add(value)
  }
  return undefined
}

async function lineageOf(
  { name, snapshot }: Input,
  made: number,
  recorded: CommitRef | undefined,
  { signal }: IoOptions,
): Promise<Lineage> {
  const broken = (reason: string): Lineage => ({ kind: 'broken', reason })
  if (recorded?.version !== made) {
    return broken(`the commit of ${name} that it was made from is not recorded`)
  }
  const found = await snapshot.commitRef({ version: made, signal })
  if (found?.id === recorded.id) return { kind: 'kept' }
  if (found !== undefined) {
    return broken(`version ${made} of ${name} is another commit than the one that it was made from`)
  }
  return broken(
    made > snapshot.version
      ? `it was made from version ${made} of ${name}, whose newest version is ${snapshot.version}`
      : `version ${made} of ${name}, which it was made from, is no longer in the log`,
  )
}

/** Whether files hold rows of one day each. */
export function isByDay({ partitionColumns }: Snapshot): boolean {
  return partitionColumns.includes(dayColumn)
}

/** Files that may hold rows of the given days, by their statistics: they may hold rows of other days too. */
export function filesThatMayHold(snapshot: Snapshot, days: readonly string[]): readonly AddFile[] {
  return snapshot
    .bounds(dayColumn)
    .filter(
      (bounds) => bounds.kind === 'unknown' || days.some((day) => bounds.min <= day && day <= bounds.max),
    )
    .map(({ file }) => file)
}

/** Of a table by day. @throws LakeError as `dayOf` does. */
function daysOf(snapshot: Snapshot): readonly string[] {
  return daysIn(new Set(snapshot.files.map(snapshot.partitionValue(dayColumn))))
}

function daysHeld(snapshot: Snapshot): readonly string[] {
  if (isByDay(snapshot)) return daysOf(snapshot)
  // Without partitions the days lie between the bounds; days in between that do not exist cost nothing.
  return snapshot
    .bounds(dayColumn)
    .flatMap((bounds) => (bounds.kind === 'unknown' ? [] : daysBetween(bounds.min, bounds.max)))
}

function daysBetween(min: string, max: string): readonly string[] {
  const days: string[] = []
  for (let ms = Date.parse(min); ms <= Date.parse(max); ms += 86_400_000) {
    days.push(new Date(ms).toISOString().slice(0, 10))
  }
  return days
}

function daysIn(values: ReadonlySet<string | null>): readonly string[] {
  return [...values].map(dayOf)
}

function sorted(days: Iterable<string>): readonly string[] {
  return [...new Set(days)].sort()
}
