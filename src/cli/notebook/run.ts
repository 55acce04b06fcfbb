/** `lake notebook run` */
import { join } from 'node:path'
import { countOf } from '../../lib/base/count-of.ts'
import { LakeError } from '../../lib/base/errors.ts'
import type { AloneOptions } from '../../lib/jupyter/alone.ts'
import {
  type EnvironmentSettings,
  type NotebookEnvironment,
  prepareEnvironment,
} from '../../lib/jupyter/environment.ts'
import { type Notebook, type NotebookCell, readNotebook } from '../../lib/jupyter/ipynb.ts'
import { linkInto } from '../../lib/jupyter/lab.ts'
import {
  type Parameter,
  type ParameterValue,
  parametersOf,
  parameterValues,
} from '../../lib/jupyter/parameters.ts'
import { describeOwner } from '../../lib/runs/owner.ts'
import { type Config, type Environment, environmentElsewhere } from '../../pipeline/platform/config.ts'
import type { CommandLine } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import {
  allNotebooks,
  findNotebook,
  lessonsFolder,
  type NotebookPlace,
  projectFolder,
  shownPath,
} from './places.ts'
import { type NotebookRun, requireSucceeded, runNotebook } from './recorded-run.ts'

export interface RunFlags {
  readonly param?: ReadonlyMap<string, string>
  readonly all?: boolean
}

/** A notebook that can be run: its parameters are known, and what is given fits. */
export interface RunnableNotebook {
  readonly place: NotebookPlace
  readonly notebook: Notebook
  readonly parameters: readonly Parameter[]
  readonly values: ReadonlyMap<string, ParameterValue>
}

export async function runNamed(
  name: string | undefined,
  { param = new Map(), all = false }: RunFlags,
  cli: CommandLine,
): Promise<void> {
  if (all === (name !== undefined)) {
    throw new LakeError('USAGE', 'notebook run: expected the name of a notebook, or --all')
  }
  if (all && param.size > 0) {
    throw new LakeError('USAGE', 'notebook run --all: expected no --param, which belongs to one notebook')
  }
  const places = name === undefined ? await allNotebooks(cli.config) : [await findNotebook(cli.config, name)]
  const runnable = await Promise.all(places.map((place) => runnableNotebook(place, param)))
  const environment = await prepared(cli.config, cli.io.env, {
    say: (line) => cli.terminal.line(line),
    signal: cli.signal,
  })
  const runs: NotebookRun[] = []
  for (const each of runnable) runs.push(await runOne(each, environment, cli))
  const [only] = runs
  await cli.result(name === undefined ? runs : only, () => runs.map(textOf).join('\n'))
  if (name !== undefined && only !== undefined) requireSucceeded(only)
  else if (runs.some(({ state }) => state === 'failed')) cli.exitCode = 1
}

/** @throws LakeError `USAGE` for a parameter that does not fit. */
export async function runnableNotebook(
  place: NotebookPlace,
  given: ReadonlyMap<string, string>,
): Promise<RunnableNotebook> {
  const notebook = await readNotebook(place.path)
  const parameters = await parametersOf(notebook)
  return { place, notebook, parameters, values: parameterValues(parameters, given) }
}

const environmentSettings = (config: Config, env: Environment | undefined): EnvironmentSettings => ({
  projectFolder,
  module: { name: 'lakeshore/notebook', compiled: join('dist', 'notebook', 'index') },
  packageFolder: lessonsFolder,
  stateFolder: join(config.home, 'notebooks'),
  venv: config.notebooks.jupyterVenv,
  variables: environmentElsewhere(config, env),
})

/**
 * What notebooks need, and the user's own folder with it.
 *
 * @throws LakeError `TOOL_MISSING`, `CONFIG_INVALID`
 */
export async function prepared(
  config: Config,
  env: Environment | undefined,
  options: AloneOptions,
): Promise<NotebookEnvironment> {
  const settings = environmentSettings(config, env)
  const environment = await prepareEnvironment(settings, options)
  const { folder } = config.notebooks
  if (folder !== undefined) {
    linkInto(folder, { packages: join(lessonsFolder, 'node_modules'), lessons: lessonsFolder })
  }
  return environment
}

async function runOne(
  runnable: RunnableNotebook,
  environment: NotebookEnvironment,
  cli: CommandLine,
): Promise<NotebookRun> {
  const { terminal } = cli
  const count = runnable.notebook.cells.filter(({ kind }) => kind === 'code').length
  let startedMs = 0
  let kept = ''
  try {
    const run = await runNotebook(cli.platform, {
      ...runnable,
      environment,
      trigger: 'manual',
      signal: cli.signal,
      onWait: ({ runId, owner }) =>
        terminal.line(
          `waiting for run ${runId ?? ''} of this notebook (${describeOwner(owner)}); Ctrl-C ends the wait`,
        ),
      onStart: (runId, { copy }) => {
        kept = copy
        terminal.line(`run ${runId}: ${runnable.place.name}`)
      },
      onCell: ({ state }, cell) => {
        const line = `cell ${cell.number} of ${count}`
        if (state !== 'started') {
          const took = seconds(performance.now() - startedMs)
          return terminal.line(`${line}  ${state.padEnd(6)}  ${took}  ${firstLine(cell)}`)
        }
        startedMs = performance.now()
        if (terminal.isTty) terminal.progress(() => `${line} …  ${firstLine(cell)}`)
      },
    })
    if (run.failure !== null) {
      for (const line of run.failure.message.split('\n')) terminal.line(`    ${printable(line)}`)
    }
    return run
  } catch (error) {
    if (kept !== '') terminal.line(`what it has done is kept: ${shownPath(kept)}`)
    throw error
  }
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

function firstLine({ source }: NotebookCell): string {
  const lines = source.split('\n').map((line) => line.trim())
  return printable(lines.find((line) => line !== '' && !line.startsWith('import ')) ?? lines[0] ?? '').slice(
    0,
    70,
  )
}

function textOf({ run, notebook, state, cells, copy, page, seconds: took }: NotebookRun): string {
  return `${notebook}: ${state}, ${countOf(cells, 'cell')} in ${seconds(took * 1000)} (run ${run})\n  ${shownPath(copy)}\n  ${shownPath(page)}`
}
