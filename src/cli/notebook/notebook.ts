/** `lake notebook`: the notebooks that there are, run without a screen, checked without a kernel. */
import { type Command, InvalidArgumentError } from 'commander'
import type { CommandLine } from '../command-line.ts'
import { checkNamed, stripStdin } from './check.ts'
import { listNotebooks } from './list.ts'
import { type NewFlags, newNotebook } from './new.ts'
import type { PromoteFlags } from './promote.ts'
import type { RunFlags } from './run.ts'

export function addNotebook(program: Command, cli: CommandLine): void {
  const notebook = program
    .command('notebook')
    .summary('run and check notebooks')
    .description(
      'Notebooks in TypeScript: the lessons in notebooks/, and your own in the folder LAKESHORE_NOTEBOOKS. ' +
        'A notebook is named by its file without .ipynb, or by its path. `npm run notebook` opens them in JupyterLab.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  lake notebook list\n  lake notebook run 01-first-look\n  lake notebook check',
    )

  notebook
    .command('list')
    .description('All notebooks, with their parameters, schedules, and last runs.')
    .addHelpText('after', '\nExamples:\n  lake notebook list\n  lake notebook list --json')
    .action(() => listNotebooks(cli))

  addRun(notebook, cli)
  addCheck(notebook, cli)
  addNew(notebook, cli)
  addPromotion(notebook, cli)
}

function addRun(notebook: Command, cli: CommandLine): void {
  notebook
    .command('run')
    .description(
      'Runs a notebook without a screen, up to the first cell that fails. The executed copy and its page in HTML are kept ' +
        'in $LAKE_HOME/notebooks/runs, whatever happens; the notebook itself stays as it is. Exit 1 where a cell fails.',
    )
    .argument('[name]', 'its name, or a path to it')
    .option('--param <name=value>', 'a parameter of the notebook; may be given again', parameterGiven)
    .option('--all', 'all notebooks, one after the other')
    .addHelpText(
      'after',
      '\nExamples:\n  lake notebook run 01-first-look\n  lake notebook run weekly-churn --param days=30 --json\n  lake notebook run --all',
    )
    .action(async (name: string | undefined, flags: RunFlags) => {
      const { runNamed } = await import('./run.ts')
      await runNamed(name, flags, cli)
    })
}

function addCheck(notebook: Command, cli: CommandLine): void {
  notebook
    .command('check')
    .description(
      'Without a kernel: type-checks all cells against the sources of today, and finds names that only a later cell ' +
        'declares, cells that ran out of order, and outputs that are kept. Exit 1 where something is wrong.',
    )
    .argument('[name...]', 'which notebooks (default: all)')
    .option('--fix', 'take outputs and the counts of runs out of the files')
    .addHelpText(
      'after',
      '\nExamples:\n  lake notebook check\n  lake notebook check 01-first-look --json\n  lake notebook check --fix',
    )
    .action((names: readonly string[], flags: { readonly fix?: boolean }) => checkNamed(names, flags, cli))

  notebook
    .command('strip')
    .description(
      'Takes outputs and the counts of runs out of a notebook, from stdin to stdout: a filter for git.',
    )
    .addHelpText(
      'after',
      "\nExamples:\n  lake notebook strip < a.ipynb > b.ipynb\n  git config filter.notebook.clean 'npx lake notebook strip'\n  echo '*.ipynb filter=notebook' >> .gitattributes",
    )
    .action(() => stripStdin(cli))
}

function addNew(notebook: Command, cli: CommandLine): void {
  notebook
    .command('new')
    .description('A notebook to start from, in the folder LAKESHORE_NOTEBOOKS, or in notebooks/ without one.')
    .argument('<name>', 'without .ipynb; may be in a folder: team/churn')
    .option('--from <metric>', 'opens this metric for change, with its rows of old and new side by side')
    .option(
      '--gate <task>',
      'a gate: what this task of the batch makes reaches readers only if no cell fails',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  lake notebook new weekly-churn\n  lake notebook new other-dau --from daily_active_users\n  lake notebook new silver-quality --gate bronze_to_silver',
    )
    .action((name: string, flags: NewFlags) => newNotebook(name, flags, cli))
}

function addPromotion(notebook: Command, cli: CommandLine): void {
  notebook
    .command('promote')
    .summary('a metric from a cell to production')
    .description(
      'Takes the metric that a cell tagged metric defines with defineMetric({ … }) into production: judges its SQL and its ' +
        'rows, writes its file, a test over real events, docs and panel, compiles and tests them in a copy of the project, ' +
        "makes the rows of every day, and compares the notebook's result with production's, row by row. Then the files are " +
        'in the project, staged; nothing is committed.',
    )
    .argument('<name>', 'the notebook')
    .requiredOption('--metric <metric>', 'the name of the metric')
    .option('--dry-run', 'show the changes of the files, and change nothing')
    .addHelpText(
      'after',
      '\nExamples:\n  lake notebook promote 08-prototype-a-metric --metric logins_per_source_daily --dry-run',
    )
    .action(async (name: string, flags: PromoteFlags) => {
      const { promoteMetric } = await import('./promote.ts')
      await promoteMetric(name, flags, cli)
    })

  notebook
    .command('demote')
    .summary('take a metric out of production')
    .description(
      'Takes the files of a metric out of the project, and its rows out of ClickHouse and of the newest version in Delta. ' +
        'Older versions stay until they are vacuumed. Nothing is committed.',
    )
    .argument('<metric>', 'the name of the metric')
    .addHelpText('after', '\nExamples:\n  lake notebook demote logins_per_source_daily')
    .action(async (name: string) => {
      const { demoteMetric } = await import('./demote.ts')
      await demoteMetric(name, cli)
    })
}

/** `days=30`; may be given again for another name. */
function parameterGiven(
  text: string,
  before: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, string> {
  const { name, value } = /^(?<name>[\p{L}_$][\p{L}\p{N}_$]*)=(?<value>[\s\S]*)$/u.exec(text)?.groups ?? {}
  if (name === undefined || value === undefined) {
    throw new InvalidArgumentError('Expected a name and a value, such as days=30.')
  }
  if (before.has(name)) throw new InvalidArgumentError(`${name} is given twice.`)
  return new Map(before).set(name, value)
}
