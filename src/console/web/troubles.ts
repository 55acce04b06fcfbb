/** What does not answer, what has stopped and what could not be refreshed: one line for each cause. */
import type {
  BooksAnswer,
  Overview,
  PanelAnswer,
  Problem,
  RunsAnswer,
  StageTrouble,
  TablesAnswer,
} from '../answers.ts'
import { exactTime } from './format.ts'

export interface Readings {
  readonly overview: Overview | undefined
  readonly tables: TablesAnswer | undefined
  readonly runs: RunsAnswer | undefined
  readonly books: BooksAnswer | undefined
  /** The console itself does not answer. */
  readonly isUnreachable: boolean
}

export interface Trouble {
  readonly what: string
  readonly problem?: Problem
}

export function troublesOf({ overview, tables, runs, books, isUnreachable }: Readings): readonly Trouble[] {
  if (isUnreachable) return [{ what: 'The console does not answer. Is “lake up” still running?' }]
  return [
    ...(overview?.stoppedStages ?? []).map(({ stage, stoppedAt, problem }) => ({
      what: `The stage ${stage} stopped at ${exactTime(stoppedAt)}; it goes on at the next “lake up”.`,
      problem,
    })),
    ...stageTroubles(overview),
    ...panelTroubles(overview?.panels ?? []),
    ...(tables?.problem ? [{ what: 'The tables could not be read.', problem: tables.problem }] : []),
    ...(tables?.tables ?? []).flatMap(({ name, problem }) =>
      problem === null ? [] : [{ what: `The table ${name} could not be read.` }],
    ),
    ...bookTroubles(books),
    ...(runs?.problem ? [{ what: 'The runs could not be read.', problem: runs.problem }] : []),
  ]
}

/** What has stopped beside the console is told already. */
function stageTroubles(overview: Overview | undefined): readonly Trouble[] {
  const told = new Set(overview?.stoppedStages.map(({ stage }) => stage))
  return (overview?.stageTroubles ?? [])
    .filter(({ stage, state }) => state !== 'failed' || !told.has(stage))
    .map(({ stage, state, host, heardAt, problem }) => ({
      what: `The stage ${stage} on ${host} ${stateWords[state](exactTime(heardAt))}.`,
      ...(problem !== null && { problem }),
    }))
}

const stateWords: Readonly<Record<StageTrouble['state'], (heardAt: string) => string>> = {
  running: () => 'runs',
  stopped: (heardAt) => `was stopped at ${heardAt}`,
  paused: () => 'is paused',
  retrying: () => 'fails and tries again',
  stuck: (heardAt) => `does not get on; it was last heard of at ${heardAt}`,
  gone: (heardAt) => `is gone: its process has ended without a word, after ${heardAt}`,
  failed: (heardAt) => `stopped at ${heardAt}`,
  unknown: () => 'is of another release, which this console cannot read',
}

function bookTroubles(books: BooksAnswer | undefined): readonly Trouble[] {
  if (books === undefined) return []
  return [
    ...(books.isBalanced === false
      ? [{ what: 'The books do not balance: what is not equal is named in their card below.' }]
      : []),
    ...(books.problem ? [{ what: 'The books could not be read.', problem: books.problem }] : []),
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
