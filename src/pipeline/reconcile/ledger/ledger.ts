/**
 * The ledger: every event accounted for, from its offset in the log to the number that readers see.
 *
 * Days whose files and rules are those of an audit before, which balanced, are not read again; ClickHouse, whose rows
 * may change at any time, always is. Each audit is recorded, in entries that hold the hash of the one before.
 */
import type { IoOptions } from '../../../lib/base/io.ts'
import type { Snapshot } from '../../../lib/delta/index.ts'
import type { DuckDbSession } from '../../../lib/duckdb/duckdb.ts'
import type { Chain, LedgerBook } from '../../../lib/runs/ledger-book.ts'
import type { Release, ReleaseBook } from '../../../lib/runs/release-book.ts'
import { goldTableNames } from '../../model/gold.ts'
import type { LakeTable } from '../../model/tables.ts'
import { type AuditBook, isBalanced, openAuditBook } from '../audit-book.ts'
import type { BooksContext, Identity } from '../books.ts'
import { type Cut, readCut } from '../cut.ts'
import { identityNames } from '../identity-names.ts'
import { auditGold } from './audit-gold.ts'
import { auditSilver } from './audit-silver.ts'
import { countedOffsets } from './counted-offsets.ts'
import { type FileMarks, fileMarks } from './file-marks.ts'
import { landedOffsets } from './landed-offsets.ts'
import { type AuditedIdentity, subjectOf } from './recorded-identity.ts'
import { servedGold } from './served-rows.ts'

export interface LedgerOptions extends IoOptions {
  readonly ledger: LedgerBook
  readonly releases?: ReleaseBook
  /** Every day again, whatever an audit before has found. */
  readonly isFull?: boolean
  /** Takes each problem that is found for right from now on; the text says why, and is recorded. */
  readonly accept?: string | undefined
  /** The run of the batch that this audit is a task of. */
  readonly runId?: number | undefined
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
  readonly before: AuditBook['before']
  readonly isFull: boolean
  /** Of files at one version; listed once in an audit. */
  readonly marksOf: (name: LakeTable, snapshot: Snapshot, options: IoOptions) => Promise<FileMarks>
  /** The release that readers see. */
  readonly release: Release | undefined
  readonly onProgress: (done: string) => void
}

/** @throws LakeError `TABLE_MISSING` if no batch has run yet. */
export async function auditLedger(
  context: BooksContext,
  { ledger, releases, isFull = false, accept, runId, onProgress = () => undefined, signal }: LedgerOptions,
): Promise<LedgerReport> {
  const cut = await readCut(context, { signal })
  const release = await releases?.newest({ signal })
  const chain = await ledger.verify({ signal })
  const book = await openAuditBook(ledger, { signal })
  const found = await context.duckdb.use((session) =>
    audit(
      {
        context,
        session,
        cut,
        before: book.before,
        isFull,
        marksOf: createMarks(context),
        release,
        onProgress,
      },
      { signal },
    ),
  )
  const all = [chainIdentity(chain), ...found]
  const identities = await book.keep([...all, ...vanished(all, book.known)], { accept, runId, signal })
  return { balanced: identities.every(isBalanced), identities }
}

async function audit(of: Audit, { signal }: IoOptions): Promise<readonly AuditedIdentity[]> {
  const { context, session, release, onProgress } = of
  const clickhouse = await context.clickhouse()
  const counted = await countedOffsets(clickhouse, { signal })
  const landed = await landedOffsets(of, { firstKnown: counted.firstOf, signal })
  const silver = await auditSilver(of, { sumsOfDay: landed.sumsOfDay, signal })
  const gold = await auditGold(of, { signal })
  onProgress('gold in ClickHouse')
  const served = await servedGold(context, session, clickhouse, { release, signal })
  return [...landed.identities, ...silver, ...gold, ...counted.identities, ...served]
}

function createMarks({ table }: BooksContext): Audit['marksOf'] {
  const known = new Map<string, Promise<FileMarks>>()
  return (name, snapshot, options) => {
    const key = `${snapshot.version} ${name}`
    const marks = known.get(key) ?? fileMarks(table(name), snapshot, options)
    known.set(key, marks)
    return marks
  }
}

/** What was audited before, and is no longer there to be audited: a day, a partition, a table. Not of a metric that is none any more. */
function vanished(
  found: readonly AuditedIdentity[],
  known: readonly AuditedIdentity[],
): readonly AuditedIdentity[] {
  const subjects = new Set(found.map(subjectOf))
  return known
    .filter((identity) => identity.name !== identityNames.windows && !subjects.has(subjectOf(identity)))
    .filter(({ table }) => !isOfFormerMetric(table))
    .map(({ mark: _, ...identity }) => ({
      ...identity,
      right: 0n,
      problem: 'it was audited before, and is no longer there',
    }))
}

function isOfFormerMetric(table: string): boolean {
  const [, name] = /^(?:gold|serving)[./](?<name>\w+)$/.exec(table) ?? []
  return name !== undefined && !goldTableNames.some((metric) => metric === name)
}

function chainIdentity({ entries, fault }: Chain): Identity {
  const identity = {
    name: identityNames.entries,
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
