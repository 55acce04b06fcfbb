/**
 * The ledger: every event accounted for, from its offset in the log to the number that readers see.
 *
 * Days whose files and rules are those of an audit before, which balanced, are not read again; ClickHouse, whose rows
 * may change at any time, always is. Each audit is recorded, in entries that hold the hash of the one before.
 */
import type { IoOptions } from '../../../lib/base/io.ts'
import { formatJson } from '../../../lib/base/json.ts'
import type { DuckDbSession } from '../../../lib/duckdb/duckdb.ts'
import type { Chain, LedgerBook, LedgerEntry } from '../../../lib/runs/ledger-book.ts'
import type { Release, ReleaseBook } from '../../../lib/runs/release-book.ts'
import type { BooksContext, Identity } from '../books.ts'
import { type Cut, readCut } from '../cut.ts'
import { auditGold } from './audit-gold.ts'
import { auditSilver } from './audit-silver.ts'
import { countedOffsets } from './counted-offsets.ts'
import { landedOffsets } from './landed-offsets.ts'
import { type AuditedIdentity, contentOf, identityIn, subjectOf } from './recorded-identity.ts'
import { servedGold } from './served-rows.ts'

export interface LedgerOptions extends IoOptions {
  readonly ledger: LedgerBook
  readonly releases?: ReleaseBook
  /** Every day again, whatever an audit before has found. */
  readonly isFull?: boolean
  /** Takes each problem that is found for right from now on; the text says why, and is recorded. */
  readonly accept?: string
  readonly onProgress?: (done: string) => void
}

export interface LedgerReport {
  readonly balanced: boolean
  /** All of them, those of days that were not read again among them. */
  readonly identities: readonly AuditedIdentity[]
}

/** What an audit works with, and what audits before have found. */
export interface Audit {
  readonly context: BooksContext
  readonly session: DuckDbSession
  readonly cut: Cut
  /** What an audit before has found of an identity. */
  readonly before: (
    identity: Pick<Identity, 'name' | 'table' | 'date' | 'partition'>,
  ) => AuditedIdentity | undefined
  readonly isFull: boolean
  /** The release that readers see. */
  readonly release: Release | undefined
  readonly onProgress: (done: string) => void
}

/** @throws LakeError `TABLE_MISSING` if no batch has run yet. */
export async function auditLedger(
  context: BooksContext,
  { ledger, releases, isFull = false, accept, onProgress = () => undefined, signal }: LedgerOptions,
): Promise<LedgerReport> {
  const cut = await readCut(context, { signal })
  const release = await releases?.newest({ signal })
  const chain = await ledger.verify({ signal })
  const entries = await ledger.newest({ signal })
  const known = (
    identity: Pick<Identity, 'name' | 'table' | 'date' | 'partition'>,
  ): LedgerEntry | undefined => entries.get(subjectOf({ ...identity, left: 0n, right: 0n }))
  const found = await context.duckdb.use((session) =>
    audit(
      {
        context,
        session,
        cut,
        before: (identity) => {
          const entry = known(identity)
          return entry && identityIn(entry)
        },
        isFull,
        release,
        onProgress,
      },
      { signal },
    ),
  )
  const identities = [chainIdentity(chain), ...found, ...vanished(found, entries)].map((identity) =>
    judged(identity, known(identity), accept),
  )
  await ledger.append(
    identities
      .filter((identity) => isNews(identity, known(identity)))
      .map((identity) => ({ subject: subjectOf(identity), content: contentOf(identity) })),
    { signal },
  )
  return { balanced: identities.every(isBalanced), identities }
}

export function isBalanced({ problem, accepted }: AuditedIdentity): boolean {
  return problem === undefined || accepted !== undefined
}

async function audit(of: Audit, { signal }: IoOptions): Promise<readonly AuditedIdentity[]> {
  const { context, session, release, onProgress } = of
  onProgress('offsets of the log')
  const clickhouse = await context.clickhouse()
  const counted = await countedOffsets(clickhouse, { signal })
  const landed = await landedOffsets(of, { firstKnown: counted.firstOf, signal })
  const silver = await auditSilver(of, { signal })
  const gold = await auditGold(of, { signal })
  onProgress('gold in ClickHouse')
  const served = await servedGold(context, session, clickhouse, { release, signal })
  return [...landed, ...silver, ...gold, ...counted.identities, ...served]
}

/** What was audited before, and is no longer there to be audited: a day, a partition, a table. */
function vanished(
  found: readonly AuditedIdentity[],
  entries: ReadonlyMap<string, LedgerEntry>,
): readonly AuditedIdentity[] {
  const subjects = new Set([...found.map(subjectOf), subjectOf(chainIdentity({ entries: 0 }))])
  return [...entries]
    .filter(([subject]) => !subjects.has(subject))
    .map(([, entry]) => {
      const { mark: _, ...identity } = identityIn(entry)
      return { ...identity, right: 0n, problem: 'it was audited before, and is no longer there' }
    })
}

/** A problem that was accepted stays accepted as long as the very same is found. */
function judged(
  identity: AuditedIdentity,
  entry: LedgerEntry | undefined,
  accept: string | undefined,
): AuditedIdentity {
  if (identity.problem === undefined) return identity
  const before = entry && identityIn(entry)
  const accepted =
    before !== undefined && isSameProblem(before, identity) ? (before.accepted ?? accept) : accept
  return accepted === undefined ? identity : { ...identity, accepted }
}

function isSameProblem(a: AuditedIdentity, b: AuditedIdentity): boolean {
  const found = ({ problem, places = [], evidence }: AuditedIdentity): string =>
    formatJson({ problem, places, evidence })
  return found(a) === found(b)
}

function isNews(identity: AuditedIdentity, entry: LedgerEntry | undefined): boolean {
  return entry === undefined || JSON.stringify(entry.content) !== JSON.stringify(contentOf(identity))
}

function chainIdentity({ entries, fault }: Chain): Identity {
  const identity = {
    name: 'ledger entries = as they were written',
    table: 'ledger',
    left: BigInt(entries),
    right: BigInt(entries),
  }
  return fault === undefined
    ? identity
    : {
        ...identity,
        left: identity.left + 1n,
        problem: `entry ${fault.sequence} (${fault.subject}): ${fault.reason}`,
      }
}
