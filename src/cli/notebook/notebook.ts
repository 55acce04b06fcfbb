/** `lake notebook`: the notebooks that there are, run without a screen, checked without a kernel. */
import type { Command } from 'commander'
import type { CommandLine } from '../command-line.ts'
import { listNotebooks } from './list.ts'

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
}
