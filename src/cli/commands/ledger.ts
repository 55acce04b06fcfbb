/** `lake ledger`: whether every event is accounted for, from its offset to the number that readers see. */
import type { Command } from 'commander'
import type { AuditedIdentity } from '../../pipeline/reconcile/ledger/recorded-identity.ts'
import type { IdentitySummary } from '../../pipeline/reconcile/summary.ts'
import type { CommandLine } from '../command-line.ts'
import { drawTable } from '../output/table-text.ts'

interface Flags {
  readonly full?: boolean
  readonly accept?: string
}

export function addLedger(program: Command, cli: CommandLine): void {
  program
    .command('ledger')
    .summary('whether every event is accounted for')
    .description(
      'Conservation of rows, by partition and day: the log is bronze and rejected; bronze is silver, duplicates and ' +
        'quarantine; gold is what silver gives; ClickHouse has the rows of gold. Rows are compared by place and ' +
        'content, at the offsets that the newest batch has read. Days that have not changed since they balanced are ' +
        'not read again. What is found is recorded, in entries that cannot be changed unseen. Exits 1 if the books ' +
        'do not balance.',
    )
    .option('--full', 'read every day again')
    .option('--accept <reason>', 'take each fault that is found for right from now on, and record why')
    .addHelpText(
      'after',
      '\nExamples:\n  lake ledger\n  lake ledger --json\n  lake ledger --accept "rows of a user deleted on request"',
    )
    .action((flags: Flags) => runLedger(flags, cli))
}

async function runLedger({ full = false, accept }: Flags, cli: CommandLine): Promise<void> {
  const { platform, terminal, signal } = cli
  const [{ auditLedger }, { isBalanced }, { summaryOf }, { batchContextOf }] = await Promise.all([
    import('../../pipeline/reconcile/ledger/ledger.ts'),
    import('../../pipeline/reconcile/audit-book.ts'),
    import('../../pipeline/reconcile/summary.ts'),
    import('../../pipeline/platform/stages.ts'),
  ])
  const { ledger, releases } = await platform.runs()
  const { balanced, identities } = await auditLedger(await batchContextOf(platform), {
    ledger,
    releases,
    isFull: full,
    ...(accept !== undefined && { accept }),
    onProgress: (step) => terminal.progress(() => `ledger: ${step}`),
    signal,
  })
  await cli.result({ balanced, identities: identities.map(document) }, () =>
    describe(
      summaryOf(identities),
      identities.filter((identity) => !isBalanced(identity)),
    ),
  )
  if (!balanced) cli.exitCode = 1
}

function document({ name, table, date, partition, left, right, ...rest }: AuditedIdentity): object {
  const { problem, accepted, places = [], rows = [] } = rest
  return {
    name,
    table,
    date: date ?? null,
    partition: partition ?? null,
    left,
    right,
    difference: left - right,
    ...(problem !== undefined && { problem }),
    ...(accepted !== undefined && { accepted }),
    places,
    rows,
  }
}

function describe(summary: readonly IdentitySummary[], faulty: readonly AuditedIdentity[]): string {
  const lines = summary.map(({ name, audited, left, right, wrong }) => [
    name,
    audited,
    left,
    right,
    wrong === 0 ? 'balanced' : `${wrong} not balanced`,
  ])
  const parts = [drawTable(['identity', 'of', 'left', 'right', 'state'], lines)]
  if (faulty.length > 0) {
    parts.push(
      drawTable(
        ['table', 'day or partition', 'left', 'right', 'what is wrong', 'first places'],
        faulty.slice(0, 50).map(({ table, date, partition, left, right, problem, places = [] }) => [
          table,
          date ?? partition ?? '',
          left,
          right,
          problem ?? '',
          places
            .slice(0, 3)
            .map((place) => `${place.partition}/${place.offset}`)
            .join(' '),
        ]),
      ),
    )
  }
  return parts.join('\n')
}
