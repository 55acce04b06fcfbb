/** `lake notebook check`, and `lake notebook strip` for git. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { countOf } from '../../lib/base/count-of.ts'
import { isLakeError, LakeError, messageOf } from '../../lib/base/errors.ts'
import { type CellProblem, type CheckSettings, checkNotebooks } from '../../lib/jupyter/check.ts'
import {
  formatNotebook,
  type Notebook,
  parseNotebook,
  readNotebook,
  withoutOutputs,
  writeNotebook,
} from '../../lib/jupyter/ipynb.ts'
import { parametersOf } from '../../lib/jupyter/parameters.ts'
import { parseCron } from '../../lib/schedule/cron.ts'
import { judgedTasks } from '../../pipeline/batch/tasks.ts'
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

/** `cell`, `line` and `column` are null for what is wrong with the notebook as a whole. */
type Problem = { readonly notebook: string; readonly path: string } & (
  | CellProblem
  | { readonly cell: null; readonly line: null; readonly column: null; readonly message: string }
)

export const checkSettings: CheckSettings = {
  projectFolder,
  modules: { 'lakeshore/notebook': join(projectFolder, 'src', 'notebook', 'index.ts') },
  packages: {
    folder: join(lessonsFolder, 'node_modules'),
    names: ['tslab', 'danfojs-node', 'plotly.js-basic-dist-min'],
  },
  // Drivers: what lies above their homes does not know them.
  unseen: ['@aws-sdk/client-s3', '@clickhouse/client', '@duckdb/node-api', 'kafkajs', 'kysely', 'mysql2'],
}

export async function checkNamed(
  names: readonly string[],
  { fix = false }: { readonly fix?: boolean },
  cli: CommandLine,
): Promise<void> {
  requireSources()
  const places =
    names.length === 0
      ? await allNotebooks(cli.config)
      : await Promise.all(names.map((name) => findNotebook(cli.config, name)))
  const problems: Problem[] = []
  const readable: { readonly place: NotebookPlace; readonly notebook: Notebook }[] = []
  for (const place of places) {
    const found = await readPlace(place, fix, cli)
    if ('message' in found) problems.push({ ...found, notebook: place.name, path: place.path })
    else readable.push({ place, notebook: found })
  }
  const judged = await checkNotebooks(
    readable.map(({ notebook }) => notebook),
    checkSettings,
  )
  for (const [at, { place, notebook }] of readable.entries()) {
    const all = [...(await declarationProblems(notebook)), ...(judged[at] ?? [])]
    problems.push(...all.map((problem) => ({ notebook: place.name, path: place.path, ...problem })))
  }
  if (problems.length > 0) cli.exitCode = 1
  await cli.result(
    problems.map(({ path, ...problem }) => problem),
    () => textOf(problems, places.length),
  )
}

const ofWhole = (message: string) => ({ cell: null, line: null, column: null, message }) as const

function requireSources(): void {
  const [source = ''] = Object.values(checkSettings.modules)
  if (existsSync(source)) return
  throw new LakeError(
    'FILE_MISSING',
    `${source}: notebooks are checked against the sources of the platform`,
    {
      details: { path: source },
    },
  )
}

async function readPlace(
  { path }: NotebookPlace,
  isFixed: boolean,
  cli: CommandLine,
): Promise<Notebook | ReturnType<typeof ofWhole>> {
  try {
    const notebook = await readNotebook(path)
    const stripped = isFixed ? withoutOutputs(notebook) : notebook
    if (formatNotebook(stripped) === formatNotebook(notebook)) return notebook
    await writeNotebook(stripped)
    cli.terminal.line(`${shownPath(path)}: took the outputs out`)
    return stripped
  } catch (error) {
    if (!isLakeError(error, 'SOURCE_FAILED')) throw error
    return ofWhole(messageOf(error))
  }
}

/** What `lake notebook run`, `lake schedule` and `lake batch` would refuse. */
async function declarationProblems(notebook: Notebook): Promise<readonly ReturnType<typeof ofWhole>[]> {
  const { schedule, gate } = notebook.settings
  const found: ReturnType<typeof ofWhole>[] = []
  if (gate !== undefined && !judgedTasks.includes(gate)) {
    found.push(ofWhole(`gate: expected one of the tasks ${judgedTasks.join(', ')}, got ${gate}`))
  }
  try {
    if (schedule !== undefined) parseCron(schedule, 'schedule')
    await parametersOf(notebook)
  } catch (error) {
    found.push(ofWhole(messageOf(error)))
  }
  return found
}

function textOf(problems: readonly Problem[], notebooks: number): string {
  if (problems.length === 0) return `${countOf(notebooks, 'notebook')}: nothing is wrong`
  const lines = problems.map(({ path, cell, line, column, message }) => {
    const place = cell === null ? '' : `cell ${cell}, line ${line}, column ${column}: `
    return printable(`${shownPath(path)}: ${place}${message}`)
  })
  const isStripped = problems.some(({ message }) => message.startsWith('It holds'))
  if (isStripped) lines.push('`lake notebook check --fix` takes outputs out.')
  return lines.join('\n')
}

/** For a filter of git: what is committed holds no output, and the file stays as it is. */
export async function stripStdin(cli: CommandLine): Promise<void> {
  const given = await text(cli.io.stdin ?? process.stdin)
  await cli.output.write(formatNotebook(withoutOutputs(parseNotebook(given, 'stdin'))))
}
