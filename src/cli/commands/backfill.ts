/** `lake backfill`: the days of a range again, in parts, so that other runs go on meanwhile. */
import type { Command } from 'commander'
import { countOf } from '../../lib/base/count-of.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { BackfillEvent, BackfillOutcome } from '../../pipeline/batch/backfill/backfill.ts'
import type { BackfillPlan, BackfillRequest } from '../../pipeline/batch/backfill/plan.ts'
import { isoDate, names, wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { dayRange } from '../day-range.ts'
import { printable } from '../output/printable.ts'
import { drawTable } from '../output/table-text.ts'
import { tell as tellOfRun, waitText } from '../runs/batch-run.ts'

interface Flags {
  readonly from: string
  readonly to: string
  readonly task?: readonly string[]
  readonly dryRun?: boolean
  readonly parallel?: number
  readonly partDays?: number
  readonly restart?: boolean
}

export function addBackfill(program: Command, cli: CommandLine): void {
  program
    .command('backfill')
    .summary('the days of a range again, in parts')
    .description(
      'Makes the days of a range again, in parts. Each part is a run of its own, which publishes its days together or not ' +
        'at all; between two parts any other batch that waits goes first. A day that fails does not stop the others: they ' +
        'are made, and the command exits 1 and names the days. Stopped or killed, the same command goes on where it ended.',
    )
    .requiredOption('--from <day>', 'the first day', isoDate)
    .requiredOption('--to <day>', 'up to this day, which is left out', isoDate)
    .option('--task <name>', 'this task and nothing else, as of `lake batch`; may be given again', names)
    .option('--dry-run', 'say which days, why, and what it costs, and do nothing')
    .option(
      '--parallel <number>',
      'so many tasks, and groups of days in each, side by side; the days of a part are still committed together. Memory grows with it',
      wholeNumber({ min: 1, max: 64 }),
    )
    .option(
      '--part-days <number>',
      'at most so many days in a part (default: as many as 128 MiB of input)',
      wholeNumber({ min: 1 }),
    )
    .option('--restart', 'all days again, also if an earlier backfill of this range did not come to its end')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  lake backfill --from 2026-01-01 --to 2026-02-01 --dry-run\n' +
        '  lake backfill --from 2026-01-01 --to 2026-02-01\n' +
        '  lake backfill --from 2026-01-01 --to 2026-02-01 --task silver_to_gold_dau --task gold_to_clickhouse',
    )
    .action((flags: Flags) => backfill(flags, cli))
}

async function backfill({ dryRun = false, parallel, ...flags }: Flags, cli: CommandLine): Promise<void> {
  const request = requestOf(flags)
  const { platform, signal, terminal } = cli
  const { batchContextOf } = await import('../../pipeline/platform/stages.ts')
  const [context, store] = [await batchContextOf(platform), await platform.runs()]
  if (dryRun) {
    const { planBackfill } = await import('../../pipeline/batch/backfill/plan.ts')
    const plan = await planBackfill(context, store, request, { signal })
    return cli.result(planDocument(plan), () => planText(plan))
  }
  const { runBackfill } = await import('../../pipeline/batch/backfill/backfill.ts')
  const outcome = await runBackfill(context, store, request, {
    signal,
    ...(parallel !== undefined && { parallel }),
    onEvent: (event) => tell(event, cli),
    onWait: (holder) => terminal.line(waitText(holder)),
  })
  const release = (await store.releases.newest({ signal: AbortSignal.timeout(10_000) }))?.id ?? null
  await cli.result({ ...outcomeDocument(request, outcome), release }, () => outcomeText(outcome, release))
  fail(request, outcome, cli)
}

function requestOf({
  from,
  to,
  task,
  partDays,
  restart,
}: Omit<Flags, 'dryRun' | 'parallel'>): BackfillRequest {
  const range = dayRange({ from, to }, 'backfill')
  if (range === undefined) throw new LakeError('BUG', 'backfill: expected a range')
  return {
    range,
    ...(task && { tasks: task }),
    ...(partDays !== undefined && { partDays }),
    ...(restart !== undefined && { restart }),
  }
}

function tell(event: BackfillEvent, cli: CommandLine): void {
  const { terminal } = cli
  switch (event.kind) {
    case 'planned':
      terminal.line(`backfill ${event.backfill}: ${summary(event.plan)}`)
      break
    case 'part-started':
      terminal.progress(() => `${rangeText(event.days)} … ${countOf(event.left, 'day')} after it`)
      break
    case 'part-ended':
      terminal.line(
        `${event.outcome.kind.padEnd(9)} ${rangeText(event.days)} (${countOf(event.days.length, 'day')}, run ${event.outcome.runId})`,
      )
      break
    case 'run':
      // The parts are told as a whole.
      if (event.event.kind === 'node-started' || event.event.kind === 'node-retries')
        tellOfRun(event.event, cli)
      break
  }
}

/** A part of no days of its own makes what others have kept from being published. */
const rangeText = (days: readonly string[]): string =>
  days.length === 0 ? 'what was left' : days.length < 2 ? (days[0] ?? '') : `${days[0]} … ${days.at(-1)}`

function summary({ days, parts, estimate, unfinished }: BackfillPlan): string {
  const open = days.filter(({ state }) => state !== 'made')
  const rows = open.reduce((sum, day) => sum + (day.rows ?? 0), 0)
  const bytes = open.reduce((sum, day) => sum + day.bytes, 0)
  const size = `${rows.toLocaleString('en')} rows (${(bytes / 2 ** 20).toFixed(1)} MiB) of input`
  const time =
    estimate === undefined
      ? 'no earlier run tells how long it takes'
      : `about ${secondsText(estimate.seconds)}, as ${countOf(estimate.runs, 'earlier run')} took`
  const before =
    unfinished === undefined
      ? ''
      : `; goes on with backfill ${unfinished.id}: ${days.length - open.length} of ${countOf(days.length, 'day')} made before`
  return `${countOf(open.length, 'day')} in ${countOf(parts.length, 'part')}, ${size}, ${time}${before}`
}

const secondsText = (seconds: number): string =>
  seconds < 120 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`

function planText(plan: BackfillPlan): string {
  if (plan.days.length === 0) return 'no day of this range has events: nothing to make'
  const table = drawTable(
    ['day', 'why', 'state', 'rows in', 'bytes in', 'part'],
    plan.days.map(({ day, reason, state, rows, bytes }) => [
      day,
      reason,
      state,
      rows,
      bytes,
      state === 'made' ? undefined : plan.parts.findIndex((part) => part.includes(day)) + 1,
    ]),
  )
  return `${table}\n${summary(plan)}`
}

function planDocument({ work, unfinished, days, parts, estimate }: BackfillPlan): object {
  const open = days.filter(({ state }) => state !== 'made')
  return {
    dryRun: true,
    backfill: unfinished?.id ?? null,
    from: work.from,
    to: work.to,
    tasks: work.tasks,
    days: days.map(({ day, rows, ...more }) => ({ date: day, ...more, rows: rows ?? null })),
    parts,
    rows: open.reduce((sum, day) => sum + (day.rows ?? 0), 0),
    bytes: open.reduce((sum, day) => sum + day.bytes, 0),
    estimate: estimate ?? null,
  }
}

function outcomeDocument({ range }: BackfillRequest, { id, kind, days, problems }: BackfillOutcome): object {
  return {
    backfill: id ?? null,
    ...range,
    state: kind,
    days: days.map(({ day, state, runId, error }) => ({
      date: day,
      state,
      run: runId ?? null,
      ...(error && { error }),
    })),
    problems,
  }
}

function outcomeText({ id, kind, days, problems }: BackfillOutcome, release: number | null): string {
  if (id === undefined) return 'no day of this range is to be made: nothing to do, nothing changed'
  const of = (state: string): readonly string[] =>
    days.filter((each) => each.state === state).map(({ day }) => day)
  const [made, failed, waiting] = [of('made'), of('failed'), of('waiting')]
  return [
    `backfill ${id}: ${kind}; ${made.length} of ${countOf(days.length, 'day')} made${waiting.length > 0 ? `, ${waiting.length} wait: the same command goes on` : ''}`,
    ...(failed.length === 0
      ? []
      : [
          drawTable(
            ['day', 'run', 'error'],
            days.flatMap(({ day, state, runId, error }) =>
              state === 'failed' ? [[day, runId, error === undefined ? '' : printable(error.message)]] : [],
            ),
          ),
        ]),
    ...problems.map(({ runId, task, error }) => printable(`${task} of run ${runId}: ${error.message}`)),
    release === null ? 'nothing is released yet' : `readers see release ${release}`,
  ].join('\n')
}

/** @throws LakeError unless each day is made, and what was made is published. */
function fail(
  { range }: BackfillRequest,
  { id, kind, days, problems, error }: BackfillOutcome,
  cli: CommandLine,
): void {
  if (kind === 'stopped') throw error
  if (kind === 'cancelled') {
    cli.requireFinished()
    throw new LakeError('INTERRUPTED', `Backfill ${id} was cancelled`)
  }
  if (kind !== 'failed') return
  const failed = days.filter(({ state }) => state === 'failed')
  const runs = [...new Set([...failed.map(({ runId }) => runId), ...problems.map(({ runId }) => runId)])]
  const what =
    failed.length > 0
      ? `${countOf(failed.length, 'day')} could not be made: ${failed.map(({ day }) => day).join(', ')}`
      : `the days are made, but ${problems.map(({ task }) => task).join(', ') || 'a task'} failed`
  throw new LakeError('TASK_FAILED', `Backfill ${id}: ${what}`, {
    cause: error,
    details: { fault: 'backfill-not-whole', runs, ...range, runId: runs[0] },
  })
}
