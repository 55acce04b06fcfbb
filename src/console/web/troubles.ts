/** What does not answer, what has stopped and what could not be refreshed: one line for each cause. */
import type { Overview, PanelAnswer, Problem, RunsAnswer, TablesAnswer } from '../answers.ts'
import { exactTime } from './format.ts'

export interface Readings {
  readonly overview: Overview | undefined
  readonly tables: TablesAnswer | undefined
  readonly runs: RunsAnswer | undefined
  /** The console itself does not answer. */
  readonly isUnreachable: boolean
}

export interface Trouble {
  readonly what: string
  readonly problem?: Problem
}

export function troublesOf({ overview, tables, runs, isUnreachable }: Readings): readonly Trouble[] {
  if (isUnreachable) return [{ what: 'The console does not answer. Is “lake up” still running?' }]
  return [
    ...(overview?.stoppedStages ?? []).map(({ stage, stoppedAt, problem }) => ({
      what: `The stage ${stage} stopped at ${exactTime(stoppedAt)}; it goes on at the next “lake up”.`,
      problem,
    })),
    ...panelTroubles(overview?.panels ?? []),
    ...(tables?.problem ? [{ what: 'The tables could not be read.', problem: tables.problem }] : []),
    ...(tables?.tables ?? []).flatMap(({ name, problem }) =>
      problem === null ? [] : [{ what: `The table ${name} could not be read.` }],
    ),
    ...(runs?.problem ? [{ what: 'The runs could not be read.', problem: runs.problem }] : []),
  ]
}

/** Panels that fail alike have one cause. */
function panelTroubles(panels: readonly PanelAnswer[]): readonly Trouble[] {
  const failed = panels.flatMap(({ title, problem }) => (problem === null ? [] : [{ title, problem }]))
  const codes = new Set(failed.map(({ problem }) => problem.code))
  return [...codes].flatMap((code) => {
    const alike = failed.filter(({ problem }) => problem.code === code)
    const [first] = alike
    if (first === undefined) return []
    const what =
      alike.length === panels.length
        ? 'ClickHouse does not answer.'
        : alike.length === 1
          ? `${first.title} could not be refreshed.`
          : `${alike.length} panels could not be refreshed: ${alike.map(({ title }) => title).join(', ')}.`
    return [{ what, problem: first.problem }]
  })
}
