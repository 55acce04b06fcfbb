/** `lake runs cancel`: asks the process of a run to end it in order, and waits for that. */
import type { Command } from 'commander'
import { LakeError } from '../../lib/base/errors.ts'
import { endedRunStates, type RunState } from '../../lib/runs/run.ts'
import type { RunBook } from '../../lib/runs/run-book.ts'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { closeDead } from './close-dead.ts'
import { type FilterFlags, filterOf, hasFilter, withFilter } from './filter.ts'
import { listText } from './list.ts'

interface Flags extends FilterFlags {
  readonly yes?: boolean
  readonly wait: boolean
}

const open: readonly RunState[] = ['queued', 'running']
const mostRuns = 1_000
const lookMs = 250

export function addCancel(runs: Command, cli: CommandLine): void {
  withFilter(runs.command('cancel'))
    .description(
      'Ends a run that is queued or at work, whichever process has it: what it is at ends in order, what is committed ' +
        'stays. A run whose process is dead is closed. By a filter it says which runs are meant, and ends them with --yes.',
    )
    .argument('[run]', 'its number, as in `lake runs list`', wholeNumber({ min: 1 }))
    .option('--no-wait', 'ask for the end, and do not wait for it')
    .option('--yes', 'of a filter: do it, instead of saying what would be done')
    .addHelpText(
      'after',
      '\nExamples:\n  lake runs cancel 12\n  lake runs cancel --state queued\n  lake runs cancel --state queued --yes',
    )
    .action((run: number | undefined, flags: Flags) => cancelRuns(run, flags, cli))
}

async function cancelRuns(id: number | undefined, flags: Flags, cli: CommandLine): Promise<void> {
  if ((id === undefined) === !hasFilter(flags)) {
    throw new LakeError(
      'USAGE',
      'runs cancel: expected the number of a run, or a filter such as --state queued',
    )
  }
  const { runs } = await cli.platform.runs()
  await closeDead(runs, cli)
  if (id !== undefined) return cancelOne(id, flags, runs, cli)
  const filter = filterOf(flags, cli)
  const wrong = filter.states?.find((state) => !open.includes(state))
  if (wrong !== undefined) {
    throw new LakeError('USAGE', `runs cancel --state: expected ${open.join(', ')}; got ${wrong}`)
  }
  const found = await runs.list({ states: open, ...filter, limit: mostRuns }, { signal: cli.signal })
  if (flags.yes !== true) {
    await cli.result(
      { preview: true, runs: found.map(({ id: each, state }) => ({ id: each, state })) },
      () =>
        found.length === 0
          ? 'no such run: nothing to do'
          : `${listText(found, cli)}\n${found.length} would be cancelled. Nothing is done yet: add --yes`,
    )
    return
  }
  // Queued ones first: their turn must not come meanwhile.
  const order = [...found].sort((a, b) => open.indexOf(a.state) - open.indexOf(b.state))
  for (const run of order) await runs.requestCancel(run.id, { signal: cli.signal })
  const ended = flags.wait ? await Promise.all(order.map((run) => endOf(run.id, runs, cli))) : order
  await cli.result(
    ended.map(({ id: each, state }) => ({ id: each, state })),
    () =>
      ended.length === 0
        ? 'no such run: nothing to do'
        : ended.map((run) => `run ${run.id}: ${flags.wait ? run.state : 'asked to end'}`).join('\n'),
  )
}

async function cancelOne(id: number, { wait }: Flags, runs: RunBook, cli: CommandLine): Promise<void> {
  const outcome = await runs.requestCancel(id, { signal: cli.signal })
  if (outcome.kind === 'ended') {
    const { state } = outcome
    await cli.result({ id, state }, () => `run ${id} had ended before: ${state}`)
    return
  }
  const state = wait ? (await endOf(id, runs, cli)).state : undefined
  await cli.result({ id, state: state ?? null }, () =>
    state === undefined ? `run ${id} was asked to end` : `run ${id}: ${state}`,
  )
}

async function endOf(
  id: number,
  runs: RunBook,
  cli: CommandLine,
): Promise<{ readonly id: number; readonly state: RunState }> {
  const { signal, terminal, platform } = cli
  for (;;) {
    await closeDead(runs, cli)
    const { state } = await runs.show(id, { signal })
    if (endedRunStates.includes(state)) return { id, state }
    terminal.progress(() => `run ${id} is ${state}; its process ends it …`)
    await platform.clock.sleep(lookMs, { signal })
  }
}
