/** Silver and bronze, day by day: those days alone whose files or rules have changed since they were audited. */

import type { IoOptions } from '../../../lib/base/io.ts'
import { recordsIn } from '../../../lib/delta/index.ts'
import { filesOfDays } from '../../model/days.ts'
import { isBefore } from '../cut.ts'
import { markOf } from './file-marks.ts'
import type { Audit } from './ledger.ts'
import type { AuditedIdentity, DaySums, ReadPlace } from './recorded-identity.ts'
import { type SilverDay, silverIdentity, silverRows, silverRules } from './silver-rows.ts'

/** Rows that are compared at once: a day with more is compared alone. */
const rowsAtOnce = 1_000_000

const unchanged = 'bronze = bronze when it was audited before'

export interface AuditSilverOptions extends IoOptions {
  /** The offsets of days of bronze, which are kept with the day. */
  readonly sumsOfDay: ReadonlyMap<string, DaySums>
}

export async function auditSilver(
  audit: Audit,
  { sumsOfDay, signal }: AuditSilverOptions,
): Promise<readonly AuditedIdentity[]> {
  const { context, session, cut, before, isFull, onProgress } = audit
  const marks = await Promise.all([
    audit.marksOf('bronze/events', cut.events, { signal }),
    audit.marksOf('silver/events', cut.silver, { signal }),
    audit.marksOf('silver/quarantine', cut.quarantine, { signal }),
  ])
  const { engine } = await session.row('select version() as engine', { signal })
  const days = [...new Set(marks.flatMap((each) => [...each.keys()]))].sort()
  const markOfDay = (date: string): string =>
    markOf(silverRules, String(engine), ...marks.map((each) => each.get(date) ?? ''))
  const identities: AuditedIdentity[] = []
  const toRead: Day[] = []
  for (const date of days) {
    const known = before({ ...silverIdentity, date })
    if (known === undefined || isFull || known.problem !== undefined || known.mark !== markOfDay(date)) {
      const bronze = known?.bronze
      toRead.push({ date, baseline: bronze?.engine === engine ? bronze : undefined })
    } else {
      identities.push(known)
      const kept = before({ name: unchanged, table: 'bronze/events', date })
      if (kept !== undefined) identities.push(kept)
    }
  }
  const read: readonly ReadPlace[] = cut.read.map(({ topic, partition, next }) => [topic, partition, next])
  for (const some of groups(toRead, (day) => recordsIn(filesOfDays(cut.events, [day.date])) ?? rowsAtOnce)) {
    onProgress(
      `bronze and silver of ${some[0]?.date}${some.length > 1 ? ` and ${some.length - 1} more` : ''}`,
    )
    const dates = some.map(({ date }) => date)
    const earlier = earlierRows(some[0]?.baseline?.read)
    for (const [at, found] of (
      await silverRows(context, session, cut, dates, { earlier, signal })
    ).entries()) {
      const day = some[at]
      if (day === undefined) continue
      const asBefore = unchangedIdentity(day, found)
      // A day whose rows were changed keeps its baseline: the problem is found again until it is accepted.
      const bronze =
        asBefore?.problem === undefined || day.baseline === undefined
          ? { ...found.bronze, engine: String(engine), read }
          : day.baseline
      identities.push(
        { ...found.identity, mark: markOfDay(day.date), bronze },
        ...(asBefore ? [asBefore] : []),
      )
    }
  }
  return identities.map((identity) => withOffsets(identity, audit, sumsOfDay))
}

function withOffsets(
  identity: AuditedIdentity,
  { before }: Audit,
  sumsOfDay: ReadonlyMap<string, DaySums>,
): AuditedIdentity {
  if (identity.name !== silverIdentity.name) return identity
  const landed = sumsOfDay.get(identity.date ?? '') ?? before(identity)?.landed
  return landed === undefined ? identity : { ...identity, landed }
}

interface Day {
  readonly date: string
  /** What bronze held of the day when it was audited before. */
  readonly baseline: NonNullable<AuditedIdentity['bronze']> | undefined
}

function earlierRows(read: readonly ReadPlace[] | undefined): string {
  return isBefore((read ?? []).map(([topic, partition, next]) => ({ clusterId: '', topic, partition, next })))
}

function unchangedIdentity({ date, baseline }: Day, { earlier }: SilverDay): AuditedIdentity | undefined {
  if (baseline === undefined) return undefined
  const identity = { name: unchanged, table: 'bronze/events', date, left: baseline.rows, right: earlier.rows }
  return earlier.digest === baseline.digest
    ? identity
    : {
        ...identity,
        problem: 'rows that were audited before are gone, or have other values',
        evidence: earlier.digest,
      }
}

/** Days that were read up to the same offsets before, in groups of so many rows. */
function groups(days: readonly Day[], rowsOf: (day: Day) => number): readonly (readonly Day[])[] {
  const found: { readonly key: string; rows: number; readonly days: Day[] }[] = []
  for (const day of days) {
    const key = String(day.baseline?.read ?? '')
    const rows = rowsOf(day)
    const group = found.find((each) => each.key === key && each.rows + rows <= rowsAtOnce)
    if (group === undefined) found.push({ key, rows, days: [day] })
    else {
      group.rows += rows
      group.days.push(day)
    }
  }
  return found.map((group) => group.days)
}
