/** Gold, metric by metric and day by day: those days alone whose rows, silver or SQL have changed since an audit. */
import type { IoOptions } from '../../../lib/base/io.ts'
import type { Snapshot } from '../../../lib/delta/index.ts'
import { identifier } from '../../../lib/duckdb/sql-text.ts'
import { type GoldTable, goldColumnsOf, goldTableNames, metricOf } from '../../model/gold.ts'
import { madeFrom } from '../../model/made-from.ts'
import { snapshotAt } from '../../serving/load-plan.ts'
import { identityNames } from '../identity-names.ts'
import { createRowsView } from '../rows-of.ts'
import { markOf } from './file-marks.ts'
import { goldRows } from './gold-rows.ts'
import type { Audit } from './ledger.ts'
import type { AuditedIdentity } from './recorded-identity.ts'

export async function auditGold(audit: Audit, { signal }: IoOptions): Promise<readonly AuditedIdentity[]> {
  const identities: AuditedIdentity[] = []
  for (const metric of goldTableNames) {
    const table = audit.context.table(`gold/${metric}`)
    if (!(await table.exists({ signal }))) continue
    identities.push(...(await auditMetric(audit, metric, await table.snapshot({ signal }), { signal })))
  }
  return identities
}

async function auditMetric(
  audit: Audit,
  metric: GoldTable,
  gold: Snapshot,
  { signal }: IoOptions,
): Promise<readonly AuditedIdentity[]> {
  const { context, session, before, isFull, onProgress } = audit
  const table = `gold/${metric}`
  const digests = await digestsOf(audit, metric, gold, { signal })
  const input = await silverOf(audit, gold, { signal })
  if (input.kind === 'lost')
    return [{ name: identityNames.gold, table, left: 1n, right: 0n, problem: input.reason }]
  const marks = await audit.marksOf('silver/events', input.silver, { signal })
  const markOfDay = (date: string): string =>
    markOf(metricOf(metric).sql, marks.get(date) ?? '', digests.get(date) ?? '')
  const days = [...new Set([...marks.keys(), ...digests.keys()])].sort()
  const known = new Map(
    days.map((date) => [date, before({ name: identityNames.gold, table, date })] as const),
  )
  const toRead = days.filter((date) => {
    const identity = known.get(date)
    return (
      identity === undefined || isFull || identity.problem !== undefined || identity.mark !== markOfDay(date)
    )
  })
  if (toRead.length > 0)
    onProgress(`${table}: ${toRead[0]}${toRead.length > 1 ? ` and ${toRead.length - 1} more` : ''}`)
  const found = await goldRows(
    context,
    session,
    { metric, gold, silver: input.silver, days: toRead },
    { signal },
  )
  return [
    ...[...known.values()].flatMap((identity) =>
      identity && !toRead.includes(identity.date ?? '') ? [identity] : [],
    ),
    ...found.map((identity) => ({ ...identity, mark: markOfDay(identity.date ?? '') })),
  ]
}

/** UTC day → its rows in gold, as one text. */
async function digestsOf(
  { context, session }: Audit,
  metric: GoldTable,
  gold: Snapshot,
  { signal }: IoOptions,
): Promise<ReadonlyMap<string, string>> {
  await createRowsView(context, session, 'audited_gold', `gold/${metric}`, gold, { signal })
  const rows = await session.rows(
    `select event_date, concat_ws(' ', version(), count(*), sum(hash(${goldColumnsOf(metric).map(identifier).join(', ')})))
       as digest from audited_gold group by event_date`,
    { signal },
  )
  return new Map(rows.map((row) => [String(row['event_date']), String(row['digest'])]))
}

type SilverOf =
  | { readonly kind: 'found'; readonly silver: Snapshot }
  | { readonly kind: 'lost'; readonly reason: string }

/** The version of silver that gold says it was made from. */
async function silverOf(
  { context, cut: { silver: newest } }: Audit,
  gold: Snapshot,
  { signal }: IoOptions,
): Promise<SilverOf> {
  const version = gold.transactionVersion(madeFrom('silver/events', newest))
  if (version === undefined) return { kind: 'lost', reason: 'it was not made from this table silver/events' }
  if (version === newest.version) return { kind: 'found', silver: newest }
  const silver = await snapshotAt(context.table('silver/events'), version, { signal })
  return silver === undefined
    ? {
        kind: 'lost',
        reason: `it was made from version ${version} of silver/events, which is no longer there`,
      }
    : { kind: 'found', silver }
}
