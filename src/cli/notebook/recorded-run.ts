/** One run of a notebook: executed apart from its source, kept whatever happens, and recorded in the run store. */
import { mkdir, realpath, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isLakeError, LakeError, messageOf, systemCode } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { formatJson, type JsonValue } from '../../lib/base/json.ts'
import type { RunRecorder } from '../../lib/dag/recorder.ts'
import { kernelFolder, type NotebookEnvironment } from '../../lib/jupyter/environment.ts'
import { type CellEvent, type CellFailure, executeNotebook } from '../../lib/jupyter/execute.ts'
import { type Notebook, type NotebookCell, writeNotebook } from '../../lib/jupyter/ipynb.ts'
import {
  injectedTag,
  type Parameter,
  type ParameterValue,
  withParameters,
} from '../../lib/jupyter/parameters.ts'
import { withRun } from '../../lib/runs/control/with-run.ts'
import type { LeaseHolder } from '../../lib/runs/leases.ts'
import type { ScheduledTick, Trigger } from '../../lib/runs/run.ts'
import type { Platform } from '../../pipeline/platform/compose.ts'
import { chosenRelease } from '../../pipeline/query/released.ts'
import {
  type ShownTables,
  type StagedTables,
  stagedTablesVariable,
} from '../../pipeline/query/staged-tables.ts'
import { lessonsFolder, type NotebookPlace } from './places.ts'
import { dagOfNotebook, type Kept, type RecordedParameters } from './recorded.ts'

export interface NotebookRunOptions extends IoOptions {
  readonly environment: NotebookEnvironment
  readonly place: NotebookPlace
  readonly notebook: Notebook
  readonly parameters: readonly Parameter[]
  readonly values: ReadonlyMap<string, ParameterValue>
  readonly trigger: Trigger
  readonly tick?: ScheduledTick
  /** What a batch has staged: cells read that in place of the release. */
  readonly staged?: StagedTables
  /** Told for each run of the same notebook that is waited for. */
  readonly onWait?: (holder: LeaseHolder) => void
  readonly onStart?: (runId: number, kept: Kept) => void
  readonly onCell?: (event: CellEvent, cell: NotebookCell) => void
}

export interface NotebookRun extends Kept {
  readonly run: number
  readonly notebook: string
  readonly state: 'succeeded' | 'failed'
  readonly cells: number
  readonly seconds: number
  readonly parameters: Readonly<Record<string, ParameterValue>>
  /** What readers saw when it began; null where nothing was released, and in a gate. */
  readonly release: number | null
  /** `cell` among the code cells of the source, from 1; null for what happened outside of a cell. */
  readonly failure: {
    readonly cell: number | null
    readonly line: number | null
    readonly message: string
  } | null
}

const node = 'execute'

/**
 * One run of a notebook at a time: a second one waits. What an interrupted run has done is kept as well.
 *
 * @throws LakeError `TOOL_MISSING`, or the reason of the signal.
 */
export async function runNotebook(platform: Platform, options: NotebookRunOptions): Promise<NotebookRun> {
  const { place, values, trigger, tick, staged, signal, onWait } = options
  const store = await platform.runs()
  const request = {
    dag: dagOfNotebook(place),
    trigger,
    parameters: {
      notebook: place.path,
      parameters: Object.fromEntries(values),
      release: null,
      ...(staged && { staged: { run: staged.run, task: staged.task } }),
    },
    ...(tick && { tick }),
  }
  return withRun(
    store,
    request,
    async ({ signal: held, recorder }) => {
      const release =
        staged === undefined ? await chosenRelease(platform, undefined, { signal: held }) : undefined
      const parameters = { ...request.parameters, release: release?.id ?? null }
      const versions = Object.fromEntries(
        Object.entries(release?.tables ?? {}).map(([name, { version }]) => [name, version]),
      )
      return recorded(
        platform,
        recorder({ parameters }),
        { ...options, signal: held },
        { ...parameters, versions },
      )
    },
    { signal, ...(onWait && { onWait }) },
  )
}

async function recorded(
  { clock, config }: Platform,
  recorder: RunRecorder,
  options: NotebookRunOptions,
  { versions, ...read }: RecordedParameters & { readonly versions: Record<string, number> },
): Promise<NotebookRun> {
  const startedMs = clock.now()
  const run = await recorder.runStarted({ nodes: [node], startedMs })
  await recorder.attemptStarted({ node, attempt: 1, startedMs })
  let kept: Kept | undefined
  const end = async (
    state: 'succeeded' | 'failed' | 'cancelled',
    error?: { readonly code: string; readonly message: string },
  ): Promise<void> => {
    const endedMs = clock.now()
    const details: JsonValue = kept === undefined ? {} : { ...kept }
    const common = { state, endedMs, ...(error && { error }) }
    await recorder.nodeEnded({ node, attempt: 1, versionsBefore: versions, details, ...common })
    await recorder.runEnded(common)
  }
  try {
    kept = await makePlace(join(config.home, 'notebooks', 'runs'), run, startedMs, options.place)
    options.onStart?.(run, kept)
    const { failure, cells } = await execute(kept, options)
    const told = failure ?? null
    if (told === null) await end('succeeded')
    else await end('failed', { code: 'CELL_FAILED', message: failureText(options.place, told) })
    return {
      run,
      ...read,
      notebook: options.place.name,
      state: told === null ? 'succeeded' : 'failed',
      cells,
      seconds: (clock.now() - startedMs) / 1000,
      failure: told,
      ...kept,
    }
  } catch (error) {
    if (isLakeError(error, 'LEASE_LOST')) throw error
    const code = isLakeError(error) ? error.code : 'BUG'
    await end(options.signal?.aborted ? 'cancelled' : 'failed', { code, message: messageOf(error) })
    throw error
  }
}

/** `01-first-look, cell 9, line 3: Error: boom` */
export function failureText(
  { name }: Pick<NotebookPlace, 'name'>,
  failure: NonNullable<NotebookRun['failure']>,
): string {
  const { place, message } = shortFailure(failure)
  return `${[name, ...place].join(', ')}: ${message}`
}

/** Where it failed in the notebook, and the first line of what was said. */
export function shortFailure({ cell, line, message }: NonNullable<NotebookRun['failure']>): {
  readonly place: readonly string[]
  readonly message: string
} {
  return {
    place: [...(cell === null ? [] : [`cell ${cell}`]), ...(line === null ? [] : [`line ${line}`])],
    // The compiler begins with line and column.
    message: message.replace(/^\d+:\d+ - /, '').split('\n', 1)[0] ?? '',
  }
}

/** A new run store counts its runs from 1 again: the folder of an older run of this number stays as it is. */
async function makePlace(
  folder: string,
  run: number,
  startedMs: number,
  { path }: NotebookPlace,
): Promise<Kept> {
  await mkdir(folder, { recursive: true })
  let own = join(folder, String(run))
  try {
    await mkdir(own)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    own = join(folder, `${run}-${startedMs}`)
    await mkdir(own)
  }
  const name = basename(path, '.ipynb')
  return { copy: join(own, `${name}.ipynb`), page: join(own, `${name}.html`) }
}

async function execute(
  { copy, page }: Kept,
  { environment, place, notebook, parameters, values, staged, onCell, signal }: NotebookRunOptions,
): Promise<{ readonly cells: number; readonly failure?: NonNullable<NotebookRun['failure']> }> {
  const given = withParameters(notebook, parameters, values)
  await writeNotebook({ ...given, path: copy })
  const cells = sourceCells(given)
  const failure = await executeNotebook({
    environment:
      staged === undefined
        ? environment
        : await showing({ ...staged, gate: place.name }, environment, dirname(copy)),
    notebook: copy,
    page,
    folder: kernelFolder(await realpath(place.path), { packageFolder: lessonsFolder }),
    signal,
    ...(onCell && {
      onCell: (event) => {
        const cell = cells[event.at]
        if (cell !== undefined) onCell(event, cell)
      },
    }),
  })
  const count = notebook.cells.filter(({ kind }) => kind === 'code').length
  return { cells: count, ...(failure && { failure: failureOf(failure, cells) }) }
}

/** Kept beside the copy: it says what the gate was shown. */
async function showing(
  staged: ShownTables,
  environment: NotebookEnvironment,
  folder: string,
): Promise<NotebookEnvironment> {
  const path = join(folder, 'staged-tables.json')
  await writeFile(path, `${formatJson(staged)}\n`)
  return { ...environment, env: { ...environment.env, [stagedTablesVariable]: path } }
}

/** By the place in the copy, the cells of the source: the one with the parameters of the run is none of them. */
function sourceCells({ cells }: Notebook): readonly (NotebookCell | undefined)[] {
  let injected = 0
  return cells.map((cell) => {
    if (cell.tags.includes(injectedTag)) {
      injected += 1
      return undefined
    }
    return cell.number === undefined ? cell : { ...cell, number: cell.number - injected }
  })
}

function failureOf(
  { at, text, line }: CellFailure,
  cells: readonly (NotebookCell | undefined)[],
): NonNullable<NotebookRun['failure']> {
  const cell = at === undefined ? undefined : cells[at]?.number
  return { cell: cell ?? null, line: line ?? null, message: text }
}

/** @throws LakeError `CELL_FAILED` if a cell has failed. */
export function requireSucceeded({ failure, notebook, copy }: NotebookRun): void {
  if (failure === null) return
  throw new LakeError('CELL_FAILED', failureText({ name: notebook }, failure), {
    details: { copy, ...failure },
  })
}
