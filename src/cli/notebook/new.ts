/** `lake notebook new` */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { LakeError, messageOf, systemCode } from '../../lib/base/errors.ts'
import { judgedTasks, tablesMade } from '../../pipeline/batch/tasks.ts'
import { goldMetrics } from '../../pipeline/model/gold.ts'
import { metricFile } from '../../pipeline/promotion/metric-files.ts'
import type { CommandLine } from '../command-line.ts'
import { ownFolder, projectFolder, shownPath } from './places.ts'
import { changingNotebook, gateNotebook, startingNotebook } from './starting-notebook.ts'

export interface NewFlags {
  readonly from?: string
  readonly gate?: string
}

export async function newNotebook(given: string, flags: NewFlags, cli: CommandLine): Promise<void> {
  const folder = ownFolder(cli.config)
  const name = given.replace(/\.ipynb$/, '')
  const path = join(folder, `${name}.ipynb`)
  const isBelow = !relative(folder, path).startsWith('..')
  if (!isBelow || !/^[\p{L}\p{N}][\p{L}\p{N} ._-]*(\/[\p{L}\p{N}][\p{L}\p{N} ._-]*)*$/u.test(name)) {
    throw new LakeError(
      'USAGE',
      `${given}: expected a name of letters, digits, blanks, points, - and _, in folders between /`,
      { details: { fix: 'It goes to the folder LAKESHORE_NOTEBOOKS, or to notebooks/ without one.' } },
    )
  }
  const content = await contentOf(titleOf(name), flags)
  try {
    await mkdir(dirname(path), { recursive: true })
    // Refused where it is there already, also if another process makes it at this moment.
    await writeFile(path, content, { flag: 'wx' })
  } catch (error) {
    throw refusal(error, path)
  }
  await cli.result({ name, path }, () => `${shownPath(path)}\n\`npm run notebook\` opens it in JupyterLab`)
}

async function contentOf(title: string, { from, gate }: NewFlags): Promise<string> {
  if (from !== undefined && gate !== undefined) {
    throw new LakeError('USAGE', 'notebook new --from: expected no --gate beside it')
  }
  if (from !== undefined) return changeOf(from)
  if (gate === undefined) return startingNotebook(title)
  if (!judgedTasks.includes(gate)) {
    throw new LakeError('USAGE', `--gate ${gate}: expected one of the tasks ${judgedTasks.join(', ')}`)
  }
  return gateNotebook(title, { task: gate, table: tablesMade.get(gate)?.[0] ?? 'gold/daily_active_users' })
}

/** A notebook that changes a metric. @throws LakeError `USAGE` where there is no such metric. */
async function changeOf(name: string): Promise<string> {
  const metric = goldMetrics.find((each) => each.name === name)
  if (metric === undefined) {
    throw new LakeError('USAGE', `${name}: there is no such metric`, {
      details: { fault: 'metric-unknown', given: name, known: goldMetrics.map((each) => each.name) },
    })
  }
  return changingNotebook(metric, await readFile(join(projectFolder, metricFile(name)), 'utf8'))
}

/** `team/weekly-churn` → `Weekly churn`. */
function titleOf(name: string): string {
  const words = basename(name).replaceAll(/[-_]+/g, ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

function refusal(error: unknown, path: string): unknown {
  switch (systemCode(error)) {
    case 'EEXIST':
      return new LakeError('USAGE', `${path}: there is a notebook already`, {
        details: { fix: 'Choose another name, or open the one that is there.' },
      })
    case undefined:
      return error
    default:
      return new LakeError('FILE_UNWRITABLE', `write ${path}: ${messageOf(error)}`, {
        cause: error,
        details: { path },
      })
  }
}
