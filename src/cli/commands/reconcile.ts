/** `lake reconcile`: speed layer against batch, at equal offsets, each difference explained by its messages. */
import type { Command } from 'commander'
import { countOf } from '../../lib/base/count-of.ts'
import type { Difference } from '../../pipeline/reconcile/reconcile.ts'
import type { ReconcileDaysReport } from '../../pipeline/reconcile/reconcile-days.ts'
import { isoDate } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { dayRange } from '../day-range.ts'
import { drawTable } from '../output/table-text.ts'

interface Flags {
  readonly date?: string
  readonly from?: string
  readonly to?: string
  readonly accept?: string
}

export function addReconcile(program: Command, cli: CommandLine): void {
  program
    .command('reconcile')
    .summary('speed layer against batch, each difference explained')
    .description(
      'Compares each window of the speed layer with the same window of silver, both cut at the offsets that the ' +
        'newest batch has read. Differences are late events, further deliveries, events in quarantine, or ' +
        'unexplained; --json has the messages of each. What is found is recorded. Exits 1 if anything is unexplained ' +
        'that was not accepted.',
    )
    .option('--date <day>', 'the windows of this UTC day alone', isoDate)
    .option('--from <day>', 'the windows from this day on', isoDate)
    .option('--to <day>', 'up to this day, which is left out', isoDate)
    .addHelpText('after', '\nExamples:\n  lake reconcile\n  lake reconcile --date 2026-01-30 --json')
    .action((flags: Flags) => runReconcile(flags, cli))
}

async function runReconcile({ accept, ...flags }: Flags, cli: CommandLine): Promise<void> {
  const { platform, terminal, signal } = cli
  const [{ reconcileDays }, { batchContextOf }] = await Promise.all([
    import('../../pipeline/reconcile/reconcile-days.ts'),
    import('../../pipeline/platform/stages.ts'),
  ])
  const { ledger } = await platform.runs()
  const report = await reconcileDays(await batchContextOf(platform), {
    ledger,
    days: dayRange(flags, 'reconcile'),
    accept,
    onProgress: (step) => terminal.progress(() => `reconcile: ${step}`),
    signal,
  })
  await cli.result(document(report), () => describe(report))
  if (!report.balanced) cli.exitCode = 1
}

function document({ balanced, cut, differences, days }: ReconcileDaysReport): object {
  return {
    balanced,
    cut,
    differences,
    accepted: days.flatMap(({ date, accepted }) =>
      accepted === undefined ? [] : [{ date, reason: accepted }],
    ),
  }
}

const classes = ['late', 'duplicate', 'skipped', 'quarantined', 'unexplained'] as const

function describe({ cut, differences, days }: ReconcileDaysReport): string {
  const tables = [...new Set(differences.map(({ table }) => table))]
  const sum = (of: readonly Difference[], column: (typeof classes)[number]): bigint =>
    of.reduce((total, difference) => total + difference[column], 0n)
  const places = Object.entries(cut).map(([partition, offset]) => `${partition}/${offset}`)
  const head =
    places.length === 0
      ? 'nothing to compare: the speed layer has counted nothing of the log that the batch has read'
      : `compared up to ${places.join(' ')} (partition/offset)`
  if (differences.length === 0) return `${head}\nno window differs`
  const summary = tables.map((table) => {
    const own = differences.filter((difference) => difference.table === table)
    return [table, own.length, ...classes.map((column) => sum(own, column))]
  })
  const unexplained = differences.filter((difference) => difference.unexplained !== 0n)
  return [
    head,
    drawTable(['table', 'windows that differ', ...classes], summary),
    ...(unexplained.length === 0 ? ['nothing is unexplained'] : [describeUnexplained(unexplained)]),
    ...days.flatMap(({ date, accepted }) =>
      accepted === undefined ? [] : [`what is unexplained on ${date} was accepted: ${accepted}`],
    ),
  ].join('\n')
}

function describeUnexplained(unexplained: readonly Difference[]): string {
  const shown = unexplained.slice(0, 50)
  const rows = shown.map(
    ({ table, window, dimension, realtime, batch, unexplained: left, rows: messages }) => [
      table,
      window,
      dimension ?? '',
      realtime,
      batch,
      left,
      messages
        .filter((message) => message['class'] === 'missing')
        .slice(0, 3)
        .map((message) => `${String(message['partition'])}/${String(message['offset'])}`)
        .join(' '),
    ],
  )
  const more =
    unexplained.length > shown.length ? `\n${countOf(unexplained.length - shown.length, 'window')} more` : ''
  return `${drawTable(['table', 'window', 'dimension', 'realtime', 'batch', 'unexplained', 'messages missing in silver'], rows)}${more}`
}
