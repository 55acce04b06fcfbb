/** `lake check`: the declared checks, asked of the rows that readers see. */
import type { Command } from 'commander'
import { countOf } from '../../lib/base/count-of.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { replaceFile } from '../../lib/base/files/replace-file.ts'
import type { CheckState } from '../../lib/runs/check-book.ts'
import { isLakeTable, type LakeTable } from '../../pipeline/model/tables.ts'
import type { CandidateSummary } from '../../pipeline/query/candidate-summary.ts'
import type { CheckedDay, ChecksReport } from '../../pipeline/reconcile/check-tables.ts'
import { isoDate } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { type DayFlags, dayRange } from '../day-range.ts'
import { candidateText } from '../output/candidate-text.ts'
import { rowsText } from '../output/checked-rows.ts'
import { junitOf } from '../output/junit.ts'
import { drawTable } from '../output/table-text.ts'

interface Flags extends DayFlags {
  readonly junit?: string
}

export function addCheck(program: Command, cli: CommandLine): void {
  program
    .command('check')
    .summary('the declared checks, asked of what readers see')
    .description(
      'Asks the checks that are declared with the tables of the newest release, and of bronze, day by day. Results are ' +
        'kept: a broken check, and each row that breaks it, is new, still there, or fixed since it was asked before; the ' +
        'rows are in the table quality/violations. Exits 1 if a check of severity fail is broken.',
    )
    .argument('[tables...]', 'tables such as gold/daily_active_users (default: all of them)')
    .option('--date <day>', 'rows of this UTC day alone', isoDate)
    .option('--from <day>', 'rows from this day on', isoDate)
    .option('--to <day>', 'up to this day, which is left out', isoDate)
    .option('--junit <file>', 'also write the results as JUnit XML')
    .addHelpText(
      'after',
      '\nExamples:\n  lake check\n  lake check silver/events --date 2026-01-30 --json\n  lake check --junit checks.xml',
    )
    .action((tables: readonly string[], flags: Flags) => runCheck(tables, flags, cli))
}

async function runCheck(
  given: readonly string[],
  { junit, ...flags }: Flags,
  cli: CommandLine,
): Promise<void> {
  const { platform, terminal, signal } = cli
  const days = dayRange(flags, 'check')
  const tables = given.map(tableNamed)
  const [{ checkTables }, { violationsTable }, { batchContextOf }] = await Promise.all([
    import('../../pipeline/reconcile/check-tables.ts'),
    import('../../pipeline/reconcile/violating-rows.ts'),
    import('../../pipeline/platform/stages.ts'),
  ])
  const { checks, candidates, releases } = await platform.runs()
  const report = await checkTables(await batchContextOf(platform), {
    checks,
    candidates,
    releases,
    violations: await violationsTable(platform),
    ...(tables.length > 0 && { tables }),
    ...(days && { days }),
    onProgress: (table) => terminal.progress(() => `check: ${table}`),
    signal,
  })
  if (junit !== undefined) await replaceFile(junit, junitOf(report.checks))
  await cli.result(report, () => describe(report))
  if (report.state === 'failed') cli.exitCode = 1
}

function tableNamed(given: string): LakeTable {
  const name = given.replace(/^(bronze|silver|gold)\./, '$1/')
  if (isLakeTable(name)) return name
  throw new LakeError('USAGE', `check ${given}: expected a table of the platform`)
}

function describe({ state, checks, candidates }: ChecksReport): string {
  const tables = [...new Set(checks.map(({ table }) => table))]
  const broken = checks.filter(({ state, since }) => isBroken(state) || since === 'fixed')
  const shown = broken.slice(0, resultsShown)
  const more = broken.length > shown.length ? [`${countOf(broken.length - shown.length, 'result')} more`] : []
  return [
    drawTable(
      ['table', 'version', 'checks', 'days', 'state'],
      tables.map((table) => summaryOf(checks.filter((each) => each.table === table))),
    ),
    ...(shown.length === 0 ? [] : [drawTable(resultColumns, shown.map(resultCells))]),
    ...more,
    ...shown.filter(({ rows }) => rows.length > 0).map(rowsText),
    ...undecided(checks),
    ...(shown.some(({ ask }) => ask !== null) ? [everyRow] : []),
    ...newestOfEach(candidates).map(candidateText),
    state,
  ].join('\n')
}

const resultsShown = 50

const isBroken = (state: CheckState): boolean => state === 'failed' || state === 'warned'

/** What could not be decided is no success: each check with its days, or why if it is one. */
function undecided(checks: readonly CheckedDay[]): readonly string[] {
  const unknown = checks.filter(({ state }) => state === 'unknown')
  const names = [...new Set(unknown.map(({ table, check }) => `${table}, ${check}`))]
  return names.map((name) => {
    const own = unknown.filter(({ table, check }) => `${table}, ${check}` === name)
    const [first] = own
    const days = own.length === 1 ? (first?.date ?? 'the whole table') : countOf(own.length, 'day')
    return `not decided: ${name}: ${days}; ${first?.problem}${own.length > 1 ? `, on ${first?.date}` : ''}`
  })
}

function summaryOf(own: readonly CheckedDay[]): readonly unknown[] {
  const states = own.map(({ state }) => state)
  return [
    own[0]?.table,
    own[0]?.version,
    new Set(own.map(({ check }) => check)).size,
    new Set(own.flatMap(({ date }) => date ?? [])).size,
    states.includes('failed') ? 'failed' : states.includes('warned') ? 'warned' : 'passed',
  ]
}

const resultColumns = [
  'table',
  'day',
  'check',
  'severity',
  'rows that break it',
  'since',
  'new',
  'fixed',
  'problem',
]

const resultCells = ({
  table,
  date,
  check,
  severity,
  violations,
  since,
  counts,
  problem,
}: CheckedDay): readonly unknown[] => [
  table,
  date ?? 'all',
  check,
  severity,
  violations,
  since ?? '',
  counts.new,
  counts.fixed,
  problem ?? '',
]

const everyRow =
  'every row, since when and until when: lake sql "select * from quality.violations", see docs/books.md'

const newestOfEach = (candidates: readonly CandidateSummary[]): readonly CandidateSummary[] =>
  candidates.filter(({ table }, at) => candidates.findIndex((each) => each.table === table) === at)
