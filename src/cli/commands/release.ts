/** `lake release`: what readers see together, release by release. */
import type { Command } from 'commander'
import type { Release } from '../../lib/runs/release-book.ts'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { drawTable } from '../output/table-text.ts'

export function addRelease(program: Command, cli: CommandLine): void {
  const release = program
    .command('release')
    .summary('the versions that readers see together')
    .description(
      'A run makes its tables visible together: serving.* in ClickHouse, lake sql and notebooks show the newest ' +
        'release. A run that fails releases nothing.',
    )
    .addHelpText('after', '\nExamples:\n  lake release list\n  lake release show 3')

  release
    .command('list')
    .description('The last releases, newest first.')
    .option('--limit <number>', 'at most so many (default: 20)', wholeNumber({ min: 1 }))
    .addHelpText('after', '\nExamples:\n  lake release list --limit 5\n  lake release list --json')
    .action((flags: { readonly limit?: number }) => listReleases(flags, cli))

  release
    .command('show')
    .description('One release, and the version of each table in it.')
    .argument('<release>', 'its number, as in `lake release list`', wholeNumber({ min: 1 }))
    .addHelpText(
      'after',
      '\nExamples:\n  lake release show 3\n  lake sql --release 3 "from gold.daily_active_users"',
    )
    .action((id: number) => showRelease(id, cli))
}

async function listReleases({ limit = 20 }: { readonly limit?: number }, cli: CommandLine): Promise<void> {
  const { releases } = await cli.platform.runs()
  const found = await releases.list({ limit, signal: cli.signal })
  await cli.result(found.map(document), () =>
    found.length === 0
      ? 'no releases yet: `lake batch` makes one'
      : drawTable(
          ['release', 'run', 'released', 'tables'],
          found.map(({ id, runId, releasedMs, tables }) => [
            id,
            runId,
            new Date(releasedMs).toISOString(),
            Object.entries(tables)
              .map(([name, { version }]) => `${name} ${version}`)
              .join(', '),
          ]),
        ),
  )
}

async function showRelease(id: number, cli: CommandLine): Promise<void> {
  const { releases } = await cli.platform.runs()
  const release = await releases.show(id, { signal: cli.signal })
  await cli.result(document(release), () =>
    [
      `release ${release.id} of run ${release.runId}, ${new Date(release.releasedMs).toISOString()}`,
      drawTable(
        ['table', 'version', 'commit'],
        Object.entries(release.tables).map(([name, { version, commit }]) => [name, version, commit ?? '']),
      ),
    ].join('\n'),
  )
}

function document({ id, runId, releasedMs, tables }: Release): object {
  return {
    id,
    run: runId,
    time: new Date(releasedMs).toISOString(),
    versions: Object.fromEntries(Object.entries(tables).map(([name, { version }]) => [name, version])),
    tables,
  }
}
