/** `lake runs days`: which run made which day of which table. */
import { type Command, Option } from 'commander'
import { declaredSelect, tablesMade } from '../../pipeline/batch/tasks.ts'
import { codeOf } from '../../pipeline/model/code-of-days.ts'
import type { LakeTable } from '../../pipeline/model/tables.ts'
import { isoDate } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { dayRange } from '../day-range.ts'
import { drawTable } from '../output/table-text.ts'

interface Flags {
  readonly table?: LakeTable
  readonly from?: string
  readonly to?: string
}

const tables: readonly LakeTable[] = [...tablesMade.values()].flat()

export function addRunsDays(runs: Command, cli: CommandLine): void {
  runs
    .command('days')
    .description(
      'Which run made which day of which table last, and whether by the SQL of now. As far back as the logs of the tables go.',
    )
    .addOption(new Option('--table <table>', 'this table alone').choices(tables))
    .option('--from <day>', 'from this day on', isoDate)
    .option('--to <day>', 'up to this day, which is left out', isoDate)
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  lake runs days --table gold/daily_active_users\n' +
        '  lake runs days --from 2026-01-30 --to 2026-02-01 --json',
    )
    .action((flags: Flags) => runsDays(flags, cli))
}

async function runsDays({ table, ...flags }: Flags, cli: CommandLine): Promise<void> {
  const { platform, signal } = cli
  const range = dayRange(flags, 'runs days')
  const { madeDays } = await import('../../pipeline/query/made-days.ts')
  const rows: DayRow[] = []
  for (const name of table === undefined ? tables : [table]) {
    const now = codeOf(declaredSelect(name))
    for (const { day, atMs, ...made } of await madeDays(await platform.table(name), { range, signal })) {
      rows.push({
        table: name,
        date: day,
        run: made.run,
        version: made.version,
        at: atMs === undefined ? null : new Date(atMs).toISOString(),
        code: made.code ?? null,
        isCodeOfNow: made.code === now,
      })
    }
  }
  await cli.result(rows, () => text(rows, range !== undefined))
}

interface DayRow {
  readonly table: LakeTable
  readonly date: string
  readonly run: number
  readonly version: number
  readonly at: string | null
  readonly code: string | null
  readonly isCodeOfNow: boolean
}

function text(rows: readonly DayRow[], isOfRange: boolean): string {
  if (rows.length === 0)
    return isOfRange ? 'no run has made a day of this range' : 'no days yet: `lake batch` makes them'
  return drawTable(
    ['table', 'day', 'run', 'version', 'at', 'SQL'],
    rows.map(({ table, date, run, version, at, code, isCodeOfNow }) => [
      table,
      date,
      run,
      version,
      at,
      isCodeOfNow ? 'as now' : (code ?? 'not recorded'),
    ]),
  )
}
