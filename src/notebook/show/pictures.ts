/** Runs, the DAG and the lineage as pictures below a cell. */
import { ganttPicture } from '../../lib/notebook/gantt.ts'
import { graphPicture } from '../../lib/notebook/graph-picture.ts'
import type { Output } from '../../lib/notebook/output.ts'
import type { Lineage, RunRecord, TaskGraph } from '../runs.ts'

export const isRun = (value: object): value is RunRecord => 'attempts' in value && 'trigger' in value
export const isTaskGraph = (value: object): value is TaskGraph => 'dag' in value && 'tasks' in value
export const isLineage = (value: object): value is Lineage => 'tables' in value && 'madeFrom' in value

/** Each try of a task is a bar. */
export function ganttOf({ id, attempts, startedAt, endedAt }: RunRecord): Output {
  const bars = attempts.map(({ task, attempt, state, ...times }) => ({
    name: attempt === 1 ? task : `${task}, attempt ${attempt}`,
    state,
    ...(times.startedAt !== null && { startMs: Date.parse(times.startedAt) }),
    ...(times.endedAt !== null && { endMs: Date.parse(times.endedAt) }),
  }))
  const plain = `run ${id}: ${attempts.map(({ task, state }) => `${task} ${state}`).join(', ')}`
  const nowMs = endedAt === null ? Date.now() : Date.parse(endedAt)
  return picture(startedAt === null ? '' : ganttPicture(bars, nowMs), plain)
}

export function taskPicture({ tasks }: TaskGraph): Output {
  const arrows = tasks.flatMap(({ task, after }) => after.map((from) => ({ from, to: task })))
  const plain = tasks.map(({ task, after }) => `${[...after, ''].join(' → ')}${task}`).join('\n')
  return picture(
    graphPicture(
      tasks.map(({ task }) => ({ name: task })),
      arrows,
    ),
    plain,
  )
}

/** An arrow says which version was read, where it is not the newest. */
export function lineagePicture({ tables, madeFrom }: Lineage): Output {
  const newest = new Map(tables.map(({ table, version }) => [table, version]))
  const boxes = tables.map(({ table, version, rows }) => ({
    name: table,
    lines: [`version ${version}`, ...(Number.isNaN(rows) ? [] : [`${rows.toLocaleString('en')} rows`])],
  }))
  const arrows = madeFrom
    .filter(({ from }) => newest.has(from))
    .map(({ table, from, version }) => ({
      from,
      to: table,
      ...(newest.get(from) !== version && { label: `version ${version}` }),
    }))
  const plain = madeFrom.map(({ table, from, version }) => `${from} ${version} → ${table}`).join('\n')
  return picture(graphPicture(boxes, arrows), plain)
}

const picture = (svg: string, plain: string): Output => ({
  ...(svg !== '' && { 'image/svg+xml': svg }),
  'text/plain': plain,
})
