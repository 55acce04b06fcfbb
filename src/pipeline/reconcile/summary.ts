/** What audits have found, an identity at a time: over all its days, partitions and tables. */
import { isBalanced } from './audit-book.ts'
import { byWay } from './identity-names.ts'
import type { AuditedIdentity } from './ledger/recorded-identity.ts'

export interface IdentitySummary {
  readonly name: string
  /** Days, partitions or tables of which it was audited. */
  readonly audited: number
  /** Sums of both sides. */
  readonly left: bigint
  readonly right: bigint
  /** Of how many it does not hold. */
  readonly wrong: number
  /** Of how many it does not hold, and somebody has said why that is right. */
  readonly accepted: number
}

/** On the way of an event. */
export function summaryOf(identities: readonly AuditedIdentity[]): readonly IdentitySummary[] {
  const names = [...new Set(identities.map(({ name }) => name))].toSorted(byWay)
  return names.map((name) => {
    const own = identities.filter((identity) => identity.name === name)
    return {
      name,
      audited: own.length,
      left: own.reduce((sum, { left }) => sum + left, 0n),
      right: own.reduce((sum, { right }) => sum + right, 0n),
      wrong: own.filter((identity) => !isBalanced(identity)).length,
      accepted: own.filter(({ problem, accepted }) => problem !== undefined && accepted !== undefined).length,
    }
  })
}
