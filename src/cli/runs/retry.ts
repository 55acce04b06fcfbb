/** `lake runs retry`: runs again what has not ended well. */
import type { Command } from 'commander'
import { LakeError } from '../../lib/base/errors.ts'
import type { RunWithAttempts } from '../../lib/runs/run.ts'
import type { RunStore } from '../../lib/runs/run-store.ts'
import {
  distinctRetries,
  isDoneBy,
  planRetry,
  type Retry,
  retriedStates,
} from '../../pipeline/batch/again/retry.ts'
import { batchDag } from '../../pipeline/batch/dag-name.ts'
import type { Scope } from '../../pipeline/batch/days.ts'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { failureOf, outcomeDocument, outcomeText, runBatchOf } from './batch-run.ts'
import { closeDead } from './close-dead.ts'
import { isoOf, reasonOf } from './documents.ts'
import { type FilterFlags, filterOf, hasFilter, withFilter } from './filter.ts'

interface Flags extends FilterFlags {
  readonly failed?: boolean
  readonly yes?: boolean
}

/** Of a filter; more is not meant to be run again at once. */
const mostRuns = 1_000

export function addRetry(runs: Command, cli: CommandLine): void {
  withFilter(runs.command('retry'))
    .description(
      'Runs again a batch that failed, was cancelled, or whose process died: the same days, the same tasks. With --failed ' +
        'the tasks that did not end well, and those that wait for them. By a filter it says what it would do, and does it ' +
        'with --yes; runs that would do the same are done once.',
    )
    .argument('[run]', 'its number, as in `lake runs list`', wholeNumber({ min: 1 }))
    .option('--failed', 'only the tasks that did not end well, and those that wait for them')
    .option('--yes', 'of a filter: do it, instead of saying what would be done')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  lake runs retry 12 --failed\n' +
        '  lake runs retry --state failed --since 2d\n' +
        '  lake runs retry --state failed --since 2d --failed --yes',
    )
    .action((run: number | undefined, flags: Flags) => retryRuns(run, flags, cli))
}

async function retryRuns(id: number | undefined, flags: Flags, cli: CommandLine): Promise<void> {
  if ((id === undefined) === !hasFilter(flags)) {
    throw new LakeError(
      'USAGE',
      'runs retry: expected the number of a run, or a filter such as --state failed',
    )
  }
  const store = await cli.platform.runs()
  await closeDead(store.runs, cli)
  if (id !== undefined) {
    const run = await store.runs.show(id, { signal: cli.signal })
    return retryOne(planRetry(run, { onlyFailed: flags.failed === true }), cli)
  }
  const found = await openRuns(store, flags, cli)
  const retries = distinctRetries(found.map(({ retry }) => retry))
  if (flags.yes !== true) return preview(retries, found, cli)
  await retryAll(retries, cli)
}

interface OpenRun {
  readonly run: RunWithAttempts
  readonly retry: Retry
}

/** Runs that the filter means, and whose work no later run has brought to a good end. */
async function openRuns(
  { runs }: RunStore,
  { failed = false, ...flags }: Flags,
  cli: CommandLine,
): Promise<readonly OpenRun[]> {
  const filter = filterOf(flags, cli)
  const wrong = filter.states?.find((state) => !retriedStates.includes(state))
  if (wrong !== undefined) {
    throw new LakeError('USAGE', `runs retry --state: expected ${retriedStates.join(', ')}; got ${wrong}`)
  }
  const { signal } = cli
  const common = { dag: batchDag, limit: mostRuns }
  const found = await runs.list({ states: retriedStates, ...filter, ...common }, { signal })
  const done = await runs.list({ states: ['succeeded', 'unchanged'], ...common }, { signal })
  return found
    .map((run) => ({ run, retry: planRetry(run, { onlyFailed: failed }) }))
    .filter(({ retry }) => !done.some((later) => isDoneBy(retry, later)))
}

async function retryOne(retry: Retry, cli: CommandLine): Promise<void> {
  const outcome = await runBatchOf(requestOf(retry), cli)
  await cli.result({ ...outcomeDocument(outcome), firstRun: retry.firstRun }, () => outcomeText(outcome))
  const failure = failureOf(outcome, cli)
  if (failure !== undefined) throw failure
}

/** One that fails does not stop the others. */
async function retryAll(retries: readonly Retry[], cli: CommandLine): Promise<void> {
  const done: { readonly document: object; readonly text: string; readonly failure: Error | undefined }[] = []
  for (const retry of retries) {
    cli.requireFinished()
    const outcome = await runBatchOf(requestOf(retry), cli)
    done.push({
      document: { ...outcomeDocument(outcome), firstRun: retry.firstRun },
      text: `run ${retry.run} again: run ${outcome.runId} ${outcome.kind}`,
      failure: failureOf(outcome, cli),
    })
  }
  await cli.result(
    done.map(({ document }) => document),
    () => (done.length === 0 ? 'no such run: nothing to do' : done.map(({ text }) => text).join('\n')),
  )
  const failures = done.flatMap(({ failure }) => failure ?? [])
  if (failures[0] !== undefined) throw failures[0]
}

const requestOf = ({ firstRun, scope, tasks }: Retry) =>
  ({ trigger: 'retry', firstRun, scope, tasks }) as const

async function preview(
  retries: readonly Retry[],
  found: readonly OpenRun[],
  cli: CommandLine,
): Promise<void> {
  const lines = retries.map((retry) => {
    const run = found.find(({ run: { id } }) => id === retry.run)?.run
    const reason = run === undefined ? undefined : reasonOf(run)
    const what = `${scopeText(retry.scope)}; ${retry.tasks.length === 0 ? 'all tasks' : retry.tasks.join(', ')}`
    return `run ${retry.run} (${run?.state}, ${isoOf(run?.startedMs ?? run?.queuedMs)}): ${what}${reason === undefined ? '' : `\n  ${reason}`}`
  })
  await cli.result({ preview: true, retries }, () =>
    lines.length === 0
      ? 'no such run: nothing to do'
      : [
          ...lines,
          `${found.length} found, ${retries.length} to run again, those that do the same once. Nothing is done yet: add --yes`,
        ].join('\n'),
  )
}

function scopeText(scope: Scope): string {
  switch (scope.kind) {
    case 'changed':
      return 'the days that have changed'
    case 'full':
      return 'every day'
    case 'range':
      return `the days from ${scope.from} to ${scope.to}, which is left out`
    case 'days':
      return `the days ${scope.days.join(', ')}`
  }
}
