/** The audits that end a batch: if the books do not balance the run fails. What it has published stays published. */
import { countOf } from '../../../lib/base/count-of.ts'
import { LakeError } from '../../../lib/base/errors.ts'
import type { JsonValue } from '../../../lib/base/json.ts'
import type { DagNode, NodeResult } from '../../../lib/dag/node.ts'
import type { LedgerBook } from '../../../lib/runs/ledger-book.ts'
import type { ReleaseBook } from '../../../lib/runs/release-book.ts'
import { isBalanced } from '../../reconcile/audit-book.ts'
import type { BooksContext } from '../../reconcile/books.ts'
import { auditLedger } from '../../reconcile/ledger/ledger.ts'
import type { AuditedIdentity } from '../../reconcile/ledger/recorded-identity.ts'
import { reconcileDays } from '../../reconcile/reconcile-days.ts'
import { ledgerTask } from '../dag-name.ts'
import { type DataMark, stateDetail, stateOfLake } from '../settled.ts'

export interface AuditNodesContext extends BooksContext {
  readonly ledger: () => Promise<LedgerBook>
  readonly releases?: ReleaseBook
  readonly clickhouseMark?: DataMark
}

/** Problems that the error names. */
const problemsNamed = 3

export function auditNodes(context: AuditNodesContext, { after }: { readonly after: string }): DagNode[] {
  const { ledger, releases, clickhouseMark } = context
  return [
    {
      name: ledgerTask,
      dependsOn: [after],
      run: async ({ runId, signal }) => {
        // Before the audit: what lands meanwhile makes another state, and is audited by the next run.
        const mark = await clickhouseMark?.write()
        const state =
          mark === undefined ? {} : { [stateDetail]: await stateOfLake(context, mark, { signal }) }
        const { identities } = await auditLedger(context, {
          ledger: await ledger(),
          runId,
          signal,
          ...(releases && { releases }),
        })
        return resultOf(ledgerTask, identities, state)
      },
    },
    {
      name: 'reconcile',
      dependsOn: [after],
      run: async ({ runId, signal }) => {
        const options = { ledger: await ledger(), runId, isIncremental: true, signal }
        const { days } = await reconcileDays(context, options)
        return resultOf('reconcile', days)
      },
    },
  ]
}

/** An audit writes no table. @throws LakeError `BOOKS_UNBALANCED` */
function resultOf(
  task: string,
  identities: readonly AuditedIdentity[],
  details: Readonly<Record<string, JsonValue>> = {},
): NodeResult {
  const wrong = identities.filter((identity) => !isBalanced(identity))
  if (wrong.length === 0) return { kind: 'unchanged', details: { audited: identities.length, ...details } }
  const named = wrong.slice(0, problemsNamed).map(describe)
  const more = wrong.length > named.length ? [`${wrong.length - named.length} more`] : []
  throw new LakeError(
    'BOOKS_UNBALANCED',
    `${task}: ${countOf(wrong.length, 'identity', 'identities')} of ${identities.length} ${wrong.length === 1 ? 'does' : 'do'} not hold: ${[...named, ...more].join('; ')}`,
    { details: { task } },
  )
}

function describe({ table, date, partition, problem }: AuditedIdentity): string {
  const of = date ?? (partition === undefined ? '' : `partition ${partition}`)
  return `${table} ${of}`.trim().concat(`: ${problem}`)
}
