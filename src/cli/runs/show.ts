/** `lake runs show`: one run, each attempt at its tasks, and what its checks have refused. */
import { hintOf } from '../../hints/hints.ts'
import type { Attempt, RunWithAttempts } from '../../lib/runs/run.ts'
import { passedGatesIn } from '../../pipeline/batch/audit/gate.ts'
import { type CandidateSummary, summaryOf } from '../../pipeline/query/candidate-summary.ts'
import type { CommandLine } from '../command-line.ts'
import { keptOf, type RecordedParameters, recordedParameters } from '../notebook/recorded.ts'
import { candidateText } from '../output/candidate-text.ts'
import { printable } from '../output/printable.ts'
import { drawTable } from '../output/table-text.ts'
import { closeDead } from './close-dead.ts'
import { attemptDocument, isoOf, runDocument, secondsOf, triggerText } from './documents.ts'

export async function showRun(id: number, cli: CommandLine): Promise<void> {
  const { runs, releases, candidates } = await cli.platform.runs()
  await closeDead(runs, cli)
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
  const { id, dag, state, startedMs, queuedMs, cancelMs, attempts, owner, code } = run
  const began = startedMs === undefined ? `queued ${isoOf(queuedMs)}` : `started ${isoOf(startedMs)}`
  const lines = [`run ${id} of ${dag}: ${state}; ${triggerText(run)}, ${began} by ${owner}`]
  if (code !== undefined) lines.push(`code ${code}`)
  if (state === 'running' && cancelMs !== undefined) {
    lines.push(`somebody asked for its end at ${isoOf(cancelMs)}`)
  }
  lines.push(...notebookLines(run))
  if (run.error !== undefined) lines.push(printable(`${run.error.code}: ${run.error.message}`))
  lines.push(
    drawTable(
      ['task', 'attempt', 'state', 'seconds', 'rows in', 'rows out', 'versions'],
      attempts.map((attempt) => [
        attempt.node,
        attempt.attempt,
        attempt.state === 'up-for-retry' ? `${attempt.state} at ${isoOf(attempt.retryMs)}` : attempt.state,
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
