/** `lake notebook list` */
import { messageOf } from '../../lib/base/errors.ts'
import { readNotebook } from '../../lib/jupyter/ipynb.ts'
import { type Parameter, parametersOf } from '../../lib/jupyter/parameters.ts'
import type { RunState } from '../../lib/runs/run.ts'
import type { RunStore } from '../../lib/runs/run-store.ts'
import { existingRuns } from '../../pipeline/query/existing-runs.ts'
import type { CommandLine } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import { drawTable } from '../output/table-text.ts'
import { allNotebooks, type NotebookPlace, notebookFolders, shownPath } from './places.ts'
import { dagOfNotebook } from './recorded.ts'

interface Listed {
  readonly name: string
  readonly path: string
  readonly title: string | null
  readonly parameters: readonly Parameter[]
  readonly schedule: string | null
  readonly gate: string | null
  readonly lastRun: LastRun | null
  /** Of a notebook that cannot be read. */
  readonly problem?: string
}

interface LastRun {
  readonly run: number
  readonly state: RunState
  /** null until its turn has come. */
  readonly startedAt: string | null
}

export async function listNotebooks(cli: CommandLine): Promise<void> {
  const places = await allNotebooks(cli.config)
  const store = await existingRuns(cli.platform)
  const found: Listed[] = []
  for (const place of places) found.push(await listed(place, store, cli.signal))
  await cli.result(found, () => textOf(found, cli))
}

async function listed(
  place: NotebookPlace,
  store: RunStore | undefined,
  signal: AbortSignal,
): Promise<Listed> {
  const run = await store?.runs.latest({ dag: dagOfNotebook(place) }, { signal })
  const lastRun = run && {
    run: run.id,
    state: run.state,
    startedAt: run.startedMs === undefined ? null : new Date(run.startedMs).toISOString(),
  }
  const known = { ...place, lastRun: lastRun ?? null }
  try {
    const notebook = await readNotebook(place.path)
    const { title, schedule, gate } = notebook.settings
    const parameters = await parametersOf(notebook)
    return { ...known, title: title ?? null, parameters, schedule: schedule ?? null, gate: gate ?? null }
  } catch (error) {
    const nothing = { title: null, parameters: [], schedule: null, gate: null }
    return { ...known, ...nothing, problem: messageOf(error) }
  }
}

function textOf(found: readonly Listed[], { config, output }: CommandLine): string {
  if (found.length === 0) {
    return `no notebooks in ${notebookFolders(config).map(shownPath).join(' and ')}: \`lake notebook new NAME\` makes one`
  }
  const rows = found.map(({ name, title, parameters, schedule, gate, lastRun }) => [
    name,
    title,
    parameters.map((each) => `${each.name}=${each.default}`).join(' '),
    schedule,
    gate,
    lastRun && `${lastRun.state}, run ${lastRun.run}, ${lastRun.startedAt}`,
  ])
  const columns = ['name', 'title', 'parameters', 'schedule', 'gate', 'last run']
  const problems = found.flatMap(({ problem }) => (problem === undefined ? [] : [printable(problem)]))
  return [drawTable(columns, rows, output.look), ...problems].join('\n')
}
