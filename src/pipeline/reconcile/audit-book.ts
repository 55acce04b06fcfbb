/** What audits before have found, and how what this one finds is judged by it and kept. */
import type { IoOptions } from '../../lib/base/io.ts'
import { formatJson } from '../../lib/base/json.ts'
import type { LedgerBook } from '../../lib/runs/ledger-book.ts'
import type { Identity } from './books.ts'
import { type AuditedIdentity, contentOf, identityIn, subjectOf } from './ledger/recorded-identity.ts'

export interface KeepOptions extends IoOptions {
  /** Takes each problem for right from now on; the text says why, and is recorded. */
  readonly accept?: string | undefined
  readonly runId?: number | undefined
}

export interface AuditBook {
  /** What an audit before has found of an identity. */
  before(identity: Pick<Identity, 'name' | 'table' | 'date' | 'partition'>): AuditedIdentity | undefined
  /** All that audits before have found. */
  readonly known: readonly AuditedIdentity[]
  /** Records what is news, and says which problems were accepted. */
  keep(found: readonly AuditedIdentity[], options?: KeepOptions): Promise<readonly AuditedIdentity[]>
}

export async function openAuditBook(ledger: LedgerBook, { signal }: IoOptions = {}): Promise<AuditBook> {
  const entries = await ledger.newest({ signal })
  const known = new Map([...entries].map(([subject, entry]) => [subject, identityIn(entry)] as const))
  const before: AuditBook['before'] = (identity) => known.get(subjectOf({ ...identity, left: 0n, right: 0n }))
  return {
    before,
    known: [...known.values()],
    async keep(found, { accept, runId, signal: keeping } = {}) {
      const identities = found.map((identity) => judged(identity, before(identity), accept))
      await ledger.append(
        identities
          .filter((identity) => isNews(identity, before(identity)))
          .map((identity) => ({ subject: subjectOf(identity), content: contentOf(identity) })),
        { signal: keeping, ...(runId !== undefined && { runId }) },
      )
      return identities
    },
  }
}

export function isBalanced({ problem, accepted }: AuditedIdentity): boolean {
  return problem === undefined || accepted !== undefined
}

/** A problem that was accepted stays accepted as long as the very same is found. */
function judged(
  identity: AuditedIdentity,
  before: AuditedIdentity | undefined,
  accept: string | undefined,
): AuditedIdentity {
  if (identity.problem === undefined) return identity
  const accepted =
    before !== undefined && isSameProblem(before, identity) ? (before.accepted ?? accept) : accept
  return accepted === undefined ? identity : { ...identity, accepted }
}

function isSameProblem(a: AuditedIdentity, b: AuditedIdentity): boolean {
  const found = ({ problem, places = [], evidence }: AuditedIdentity): string =>
    formatJson({ problem, places, evidence })
  return found(a) === found(b)
}

function isNews(identity: AuditedIdentity, before: AuditedIdentity | undefined): boolean {
  return before === undefined || formatJson(contentOf(before)) !== formatJson(contentOf(identity))
}
