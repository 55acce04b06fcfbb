/** `lake runs list`: the newest runs, and why one has failed. */
import type { Command } from 'commander'
import type { RunWithAttempts } from '../../lib/runs/run.ts'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import { drawTable } from '../output/table-text.ts'
import { closeDead } from './close-dead.ts'
import { isoOf, reasonOf, runDocument, secondsOf, triggerText } from './documents.ts'
import { type FilterFlags, filterOf, hasFilter, withFilter } from './filter.ts'

interface Flags extends FilterFlags {
  readonly limit?: number
}

export function addList(runs: Command, cli: CommandLine): void {
  withFilter(runs.command('list'))
    .description('The last runs, newest first, each with the reason if it failed.')
    .option('--limit <number>', 'at most so many (default: 20)', wholeNumber({ min: 1 }))
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  lake runs list --limit 5\n' +
        '  lake runs list --state failed,abandoned --since 2d\n' +
        '  lake runs list --task gold_to_clickhouse --trigger schedule --json',
    )
    .action((flags: Flags) => listRuns(flags, cli))
}

async function listRuns({ limit = 20, ...flags }: Flags, cli: CommandLine): Promise<void> {
  const { runs, releases } = await cli.platform.runs()
  await closeDead(runs, cli)
  const found = await runs.list({ ...filterOf(flags, cli), limit }, { signal: cli.signal })
  const released = await releases.ofRuns(
    found.map(({ id }) => id),
    { signal: cli.signal },
  )
  await cli.result(
    found.map((run) => runDocument(run, released.get(run.id))),
    () => {
      if (found.length > 0) return listText(found, cli)
      return hasFilter(flags) ? 'no such run' : 'no runs yet: `lake batch` makes one'
    },
  )
}

/** The reasons stand below the table, whole: no cell would hold them. */
export function listText(found: readonly RunWithAttempts[], { output }: Pick<CommandLine, 'output'>): string {
  const table = drawTable(
    ['run', 'what', 'state', 'trigger', 'started', 'seconds'],
    found.map((run) => [run.id, run.dag, run.state, triggerText(run), isoOf(run.startedMs), secondsOf(run)]),
    { ...output.look, hasGroups: false },
  )
  const reasons = found.flatMap((run) => {
    const reason = reasonOf(run)
    return reason === undefined ? [] : [printable(`run ${run.id}, ${run.state}: ${reason}`)]
  })
  return [table, ...reasons].join('\n')
}
