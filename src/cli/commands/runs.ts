/** `lake runs`: the runs of the batch and of notebooks, from the run store. */
import { type Command, Option } from 'commander'
import { hintOf } from '../../hints/hints.ts'
import { type Attempt, type Run, type RunState, type RunWithAttempts, runStates } from '../../lib/runs/run.ts'
import { passedGatesIn } from '../../pipeline/batch/gate.ts'
import { type CandidateSummary, summaryOf } from '../../pipeline/query/candidate-summary.ts'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { keptOf, type RecordedParameters, recordedParameters } from '../notebook/recorded.ts'
import { candidateText } from '../output/candidate-text.ts'
import { printable } from '../output/printable.ts'
import { drawTable } from '../output/table-text.ts'

export function addRuns(program: Command, cli: CommandLine): void {
  const runs = program
    .command('runs')
    .summary('the runs of the batch and of notebooks')
    .description(
      'What the batch has done: each run, and in it each task with its times, rows and versions. And what notebooks have ' +
        'done: with which parameters, on which release, and where the executed copy is.',
    )
    .addHelpText('after', '\nExamples:\n  lake runs list\n  lake runs show 12')

  runs
    .command('list')
    .description('The last runs, newest first.')
    .option('--limit <number>', 'at most so many (default: 20)', wholeNumber({ min: 1 }))
    .addOption(new Option('--state <state>', 'only those in this state').choices(runStates))
    .addHelpText('after', '\nExamples:\n  lake runs list --limit 5\n  lake runs list --state failed --json')
    .action((flags: ListFlags) => listRuns(flags, cli))

  runs
    .command('show')
    .description('One run, each attempt at its tasks, and the versions that its checks have refused.')
    .argument('<run>', 'its number, as in `lake runs list`', wholeNumber({ min: 1 }))
    .addHelpText('after', '\nExamples:\n  lake runs show 12\n  lake runs show 12 --json')
    .action((run: number) => showRun(run, cli))
}

interface ListFlags {
  readonly limit?: number
  readonly state?: RunState
}

async function listRuns({ limit = 20, state }: ListFlags, cli: CommandLine): Promise<void> {
  const { runs, releases } = await cli.platform.runs()
  const found = await runs.list({ limit, ...(state && { states: [state] }) }, { signal: cli.signal })
  const released = await releases.ofRuns(
    found.map(({ id }) => id),
    { signal: cli.signal },
  )
  await cli.result(
    found.map((run) => runDocument(run, released.get(run.id))),
    () =>
      found.length === 0
        ? 'no runs yet: `lake batch` makes one'
        : drawTable(
            ['run', 'what', 'state', 'trigger', 'started', 'seconds', 'error'],
            found.map((run) => [
              run.id,
              run.dag,
              run.state,
              run.trigger,
              isoOf(run.startedMs),
              secondsOf(run),
              run.error?.message,
            ]),
          ),
  )
}

async function showRun(id: number, cli: CommandLine): Promise<void> {
  const { runs, releases, candidates } = await cli.platform.runs()
  const run = await runs.show(id, { signal: cli.signal })
  const released = await releases.ofRuns([id], { signal: cli.signal })
  const refused = (await candidates.list({ runId: id }, { signal: cli.signal })).map(summaryOf)
  await cli.result(
    {
      ...runDocument(run, released.get(id)),
      attempts: run.attempts.map(attemptDocument),
      candidates: refused,
    },
    () => describe(run, refused),
  )
}

function describe(run: RunWithAttempts, refused: readonly CandidateSummary[]): string {
  const { id, dag, state, trigger, startedMs, attempts, owner } = run
  const lines = [`run ${id} of ${dag}: ${state}; ${trigger}, started ${isoOf(startedMs)} by ${owner}`]
  lines.push(...notebookLines(run))
  if (run.error !== undefined) lines.push(printable(`${run.error.code}: ${run.error.message}`))
  lines.push(
    drawTable(
      ['task', 'attempt', 'state', 'seconds', 'rows in', 'rows out', 'versions'],
      attempts.map((attempt) => [
        attempt.node,
        attempt.attempt,
        attempt.state,
        secondsOf(attempt),
        attempt.rowsIn,
        attempt.rowsOut,
        versionsOf(attempt),
      ]),
    ),
  )
  for (const { node, attempt, error } of attempts) {
    if (error === undefined) continue
    lines.push(printable(`${node}, attempt ${attempt}: ${error.code}: ${error.message}`))
    lines.push(printable(`  → ${hintOf(error)}`))
  }
  lines.push(...attempts.flatMap(gateLines))
  lines.push(...refused.map(candidateText))
  return lines.join('\n')
}

/** Of a notebook: what it was given, what it read, and where what it made is. */
function notebookLines({ parameters, attempts }: RunWithAttempts): readonly string[] {
  const given = recordedParameters.safeParse(parameters).data
  if (given === undefined) return []
  const { copy, page } = keptOf(attempts) ?? {}
  const values = Object.entries(given.parameters).map(([name, value]) => `${name}=${value}`)
  return [
    `notebook ${given.notebook}${values.length === 0 ? '' : ` with ${values.join(' ')}`}`,
    readBy(given),
    ...(copy === undefined ? [] : [`copy ${copy}`]),
    ...(page === undefined ? [] : [`page ${page}`]),
  ].map(printable)
}

/** The gates that have let a task's tables pass. */
const gateLines = ({ node, details }: Attempt): readonly string[] =>
  passedGatesIn(details).map(({ gate, run }) => printable(`${node}: gate ${gate} let it pass (run ${run})`))

function readBy({ staged, release }: RecordedParameters): string {
  if (staged !== undefined) return `judged what ${staged.task} of run ${staged.run} has staged`
  return release === null ? 'nothing was released when it began' : `read release ${release}`
}

/** `silver/events 3 → 4`. */
function versionsOf({ versionsBefore = {}, versionsAfter = {} }: Attempt): string {
  return Object.entries(versionsAfter)
    .filter(([table, after]) => versionsBefore[table] !== after)
    .map(([table, after]) => `${table} ${versionsBefore[table] ?? '–'} → ${after ?? '–'}`)
    .join(', ')
}

function runDocument({ startedMs, endedMs, tick, ...run }: Run, release: number | undefined): object {
  return {
    ...run,
    release: release ?? null,
    startedAt: isoOf(startedMs),
    endedAt: isoOf(endedMs),
    tick: tick === undefined ? null : { schedule: tick.schedule, at: isoOf(tick.tickMs) },
  }
}

function attemptDocument({ startedMs, endedMs, ...attempt }: Attempt): object {
  return { ...attempt, startedAt: isoOf(startedMs), endedAt: isoOf(endedMs) }
}

const isoOf = (ms: number | undefined): string | null =>
  ms === undefined ? null : new Date(ms).toISOString()

function secondsOf({
  startedMs,
  endedMs,
}: {
  readonly startedMs?: number
  readonly endedMs?: number
}): number | null {
  return startedMs === undefined || endedMs === undefined ? null : (endedMs - startedMs) / 1000
}
