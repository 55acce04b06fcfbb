/** `lake explain`: where the numbers of a day come from. */
import type { Command } from 'commander'
import { LakeError } from '../../lib/base/errors.ts'
import { isLakeTable } from '../../pipeline/model/tables.ts'
import type { Explanation } from '../../pipeline/reconcile/explain.ts'
import { isoDate, wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { drawTable } from '../output/table-text.ts'

interface Flags {
  readonly date: string
  readonly where?: string
  readonly tableVersion?: number
}

export function addExplain(program: Command, cli: CommandLine): void {
  program
    .command('explain <table>')
    .summary('where a number comes from')
    .description(
      'Of a day of a gold table: the run and the versions that made it, the files that were read, and the offsets of ' +
        'the log whose rows it was computed from. With --where: the part of some events in it.',
    )
    .requiredOption('--date <day>', 'the UTC day', isoDate)
    .option('--where <condition>', 'an SQL condition over the rows of silver/events')
    .option('--table-version <number>', 'explain this version of the table', wholeNumber())
    .addHelpText(
      'after',
      '\nExamples:\n  lake explain gold/daily_active_users --date 2026-01-30\n' +
        '  lake explain gold/purchases_per_page_daily --date 2026-01-30 --where "user_id = 7"',
    )
    .action((table: string, flags: Flags) => runExplain(table, flags, cli))
}

async function runExplain(
  given: string,
  { date, where, tableVersion }: Flags,
  cli: CommandLine,
): Promise<void> {
  const { platform, signal } = cli
  const table = given.replace(/^(silver|gold)\./, '$1/')
  if (!isLakeTable(table))
    throw new LakeError('USAGE', `explain ${given}: expected a table of gold, or silver/events`)
  const [{ explainNumber }, { batchContextOf }] = await Promise.all([
    import('../../pipeline/reconcile/explain.ts'),
    import('../../pipeline/platform/stages.ts'),
  ])
  const { releases } = await platform.runs()
  const explanation = await explainNumber(
    await batchContextOf(platform),
    {
      table,
      date,
      ...(where !== undefined && { where }),
      ...(tableVersion !== undefined && { version: tableVersion }),
      releases,
    },
    { signal },
  )
  await cli.result(explanation, () => describe(explanation))
}

function describe({ table, date, version, release, run, values, inputs, offsets }: Explanation): string {
  const [first = {}] = values
  const columns = Object.keys(first)
  const made = run === undefined ? '' : `, made by run ${run}`
  const shown = release === undefined ? ', in no release' : `, in release ${release}`
  return [
    `${table} of ${date}, version ${version}${made}${shown}`,
    values.length === 0
      ? 'no rows'
      : drawTable(
          columns,
          values.map((row) => columns.map((column) => row[column])),
        ),
    drawTable(
      ['input', 'version', 'files of the day', 'rows of the day'],
      inputs.map((input) => [input.table, input.version, input.files.length, input.rows]),
    ),
    drawTable(
      ['partition', 'first offset', 'last offset', 'rows'],
      offsets.map(({ partition, from, to, rows }) => [partition, from, to - 1n, rows]),
    ),
  ].join('\n')
}
