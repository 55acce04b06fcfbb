/** Whether the books balance, as the audits that end each batch have recorded it. */
import type { IoOptions } from '../../lib/base/io.ts'
import type { LedgerBook } from '../../lib/runs/ledger-book.ts'
import type { ReleaseBook } from '../../lib/runs/release-book.ts'
import { batchDag, ledgerTask } from '../../pipeline/batch/dag-name.ts'
import { isBalanced } from '../../pipeline/reconcile/audit-book.ts'
import { byWay } from '../../pipeline/reconcile/identity-names.ts'
import { type AuditedIdentity, identityIn } from '../../pipeline/reconcile/ledger/recorded-identity.ts'
import { summaryOf } from '../../pipeline/reconcile/summary.ts'
import type { BooksAnswer } from '../answers.ts'
import type { RunReader } from './runs.ts'

export type Books = Omit<BooksAnswer, 'readAt' | 'isStale' | 'problem'>
export type BooksReader = (options?: IoOptions) => Promise<Books>

/** Before the first audit. */
export const unaudited: Books = {
  isBalanced: null,
  audit: null,
  release: null,
  identities: [],
  problems: [],
}

const shownProblems = 20
/** Among how many runs the newest audit is looked for. */
const runsLookedAt = 10

export function createBooksReader(
  {
    ledger,
    releases,
  }: { readonly ledger: Pick<LedgerBook, 'newest'>; readonly releases: Pick<ReleaseBook, 'newest'> },
  runs: Pick<RunReader, 'list'>,
): BooksReader {
  return async ({ signal } = {}) => {
    const [entries, release, audit] = await Promise.all([
      ledger.newest({ signal }),
      releases.newest({ signal }),
      newestAudit(runs, { signal }),
    ])
    const identities = [...entries.values()].map(identityIn)
    const wrong = identities.filter((identity) => !isBalanced(identity))
    return {
      isBalanced: identities.length === 0 ? null : wrong.length === 0,
      audit,
      release:
        release === undefined
          ? null
          : {
              id: release.id,
              run: release.runId,
              releasedAt: new Date(release.releasedMs).toISOString(),
            },
      identities: summaryOf(identities).map(({ left, right, ...rest }) => ({
        ...rest,
        left: Number(left),
        right: Number(right),
      })),
      problems: wrong
        .toSorted((a, b) => byWay(a.name, b.name))
        .slice(0, shownProblems)
        .map(problemOf),
    }
  }
}

async function newestAudit(runs: Pick<RunReader, 'list'>, options: IoOptions): Promise<Books['audit']> {
  for (const { id, attempts } of await runs.list({ dag: batchDag, limit: runsLookedAt }, options)) {
    const ended = attempts.findLast(({ node, endedMs }) => node === ledgerTask && endedMs !== undefined)
    if (ended?.endedMs !== undefined && ended.state !== 'skipped')
      return { run: id, endedAt: new Date(ended.endedMs).toISOString() }
  }
  return null
}

function problemOf({
  name,
  table,
  date,
  partition,
  problem = '',
}: AuditedIdentity): Books['problems'][number] {
  return { name, table, date: date ?? null, partition: partition ?? null, problem }
}
