/**
 * Which UTC days a target must make again: those that its input's commits have touched since the commit that
 * the target was made from.
 *
 * The target records that commit itself, its version as a `txn` and its identity in the tags, in the commit that
 * holds its rows. If the input has another commit under that version, every day is made again. Days whose rows
 * another writer has changed in the target are made again too, and days that another code made than that of now: a day
 * is what its input and the code say, and nothing else.
 */

import type { IoOptions } from '../../lib/base/io.ts'
import type { AddFile, ChangedPartitions, CommitRef, Snapshot } from '../../lib/delta/index.ts'
import { afterMaking, type CodeOfDays, codeIn, codeOfDay, unknownCode } from '../model/code-of-days.ts'
import { type DayRange, dayColumn, dayOf } from '../model/days.ts'
import { madeFrom, madeFromOf } from '../model/made-from.ts'

/** What a batch is to make: what has changed, everything, the days of a range (`from` included, `to` not), or single days. */
export type Scope =
  | { readonly kind: 'changed' }
  | { readonly kind: 'full' }
  | ({ readonly kind: 'range' } & DayRange)
  | { readonly kind: 'days'; readonly days: readonly string[] }

/** Why a day is made: `late-event` if the target has it, and a later day too; `everything` if nobody knows which days have changed. */
export type DayReason =
  | 'new-data'
  | 'late-event'
  | 'other-writer'
  | 'code-changed'
  | 'not-made-yet'
  | 'everything'
  | 'asked'

export interface DayPlan {
  /** ISO days, sorted. */
  readonly days: readonly string[]
  /** Of each of these days. */
  readonly reasons: ReadonlyMap<string, DayReason>
  /** Whether the target, once made, is up to the input's version, by the code of now or an older one. */
  readonly isComplete: boolean
  /** The input's commit that the target is made from now. */
  readonly madeFrom: CommitRef | undefined
  readonly lineage: Lineage
  /** The code of each day of the target, once these are made; `undefined` if no code was given. */
  readonly madeBy: CodeOfDays | undefined
}

/** Whether the input still holds the commit that the target was made from. If not, every day is made again. */
export type Lineage = { readonly kind: 'kept' } | { readonly kind: 'broken'; readonly reason: string }

/** The table that days are made from, at one version. */
export interface Input {
  readonly name: string
  readonly snapshot: Snapshot
}

export interface PlanOptions extends IoOptions {
  /** The code that makes the target now. Without it, what made it before does not matter. */
  readonly code?: string
}

/** @param target `undefined` where the table is not there yet. */
export async function planDays(
  scope: Scope,
  input: Input,
  target: Snapshot | undefined,
  { code, signal }: PlanOptions = {},
): Promise<DayPlan> {
  const inputDays = daysOf(input.snapshot)
  const all = sorted([...inputDays, ...(target === undefined ? [] : daysHeld(target))])
  if (scope.kind === 'full') {
    // Without a look at what was made before, which may be damaged.
    return {
      days: all,
      reasons: new Map(all.map((day) => [day, 'asked'])),
      isComplete: true,
      madeFrom: await input.snapshot.commitRef({ signal }),
      lineage: { kind: 'kept' },
      madeBy: code === undefined ? undefined : { code, others: new Map() },
    }
  }
  const since = await sinceOwnCommit(input, target, { signal })
  const changed = await changedDays({ input, target, all, inputDays, since, code }, { signal })
  const isAsked = (day: string): boolean => asksFor(scope, day)
  const days = scope.kind === 'changed' ? [...changed.reasons.keys()].sort() : all.filter(isAsked)
  const reasons = new Map(days.map((day) => [day, changed.reasons.get(day) ?? 'asked']))
  // Days that an older code made are kept count of by day, and do not hold up the input's version.
  const isComplete = [...changed.reasons].every(
    ([day, reason]) => reason === 'code-changed' || reasons.has(day),
  )
  return {
    days,
    reasons,
    isComplete,
    madeFrom: isComplete ? await input.snapshot.commitRef({ signal }) : since?.madeFrom,
    lineage: scope.kind === 'changed' ? changed.lineage : { kind: 'kept' },
    madeBy:
      code === undefined
        ? undefined
        : afterMaking(since?.madeBy ?? unknownCode, { days, code, all: inputDays }),
  }
}

function asksFor(scope: Exclude<Scope, { kind: 'full' }>, day: string): boolean {
  switch (scope.kind) {
    case 'changed':
      return true
    case 'range':
      return day >= scope.from && day < scope.to
    case 'days':
      return scope.days.includes(day)
  }
}

interface Known {
  readonly input: Input
  readonly target: Snapshot | undefined
  /** The days of input and target. */
  readonly all: readonly string[]
  readonly inputDays: readonly string[]
  readonly since: SinceOwnCommit | undefined
  readonly code: string | undefined
}

/** Days that the target must make again to be what input and code say, each with why: all of them if it may be any day. */
async function changedDays(
  { input, target, all, inputDays, since, code }: Known,
  { signal }: IoOptions,
): Promise<Pick<DayPlan, 'reasons' | 'lineage'>> {
  const kept: Lineage = { kind: 'kept' }
  const every = (reason: DayReason): DayPlan['reasons'] => new Map(all.map((day) => [day, reason]))
  if (since === undefined || target === undefined) return { reasons: every('not-made-yet'), lineage: kept }
  const lineage = await lineageOf(input, since.version, since.madeFrom, { signal })
  if (lineage.kind === 'broken') return { reasons: every('everything'), lineage }
  const touched = await input.snapshot.changedPartitions(dayColumn, { since: since.version, signal })
  if (touched.kind === 'unknown' || since.changed.kind === 'unknown') {
    return { reasons: every('everything'), lineage }
  }
  const held = daysHeld(target)
  const reasonOf = (day: string): DayReason =>
    held.includes(day) && held.some((later) => later > day) ? 'late-event' : 'new-data'
  const stale = code === undefined ? [] : inputDays.filter((day) => codeOfDay(since.madeBy, day) !== code)
  // What names a day first says why.
  const reasons = new Map<string, DayReason>()
  const name = (days: readonly string[], reason: (day: string) => DayReason): void => {
    for (const day of days) if (!reasons.has(day)) reasons.set(day, reason(day))
  }
  name(daysIn(touched.values), reasonOf)
  name(daysIn(since.changed.values), () => 'other-writer')
  name(stale, () => 'code-changed')
  return { reasons, lineage }
}

/** What is known of a target since its newest commit of ours. */
interface SinceOwnCommit {
  /** The version of the input that ours was made from. */
  readonly version: number
  /** Days whose rows others have changed since. */
  readonly changed: ChangedPartitions
  /** The input's commit that ours was made from; `undefined` in commits of versions that did not record it. */
  readonly madeFrom: CommitRef | undefined
  readonly madeBy: CodeOfDays
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
      return { version: made, changed, madeFrom: madeFromOf(commit.info), madeBy: codeIn(commit.info) }
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
