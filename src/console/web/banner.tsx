/** Names what does not answer and what has stopped, and since when what is shown has not changed. */
import type { ReactElement } from 'react'
import type { Overview, Problem, RunsAnswer, TablesAnswer } from '../answers.ts'
import { exactTime } from './format.ts'

export interface BannerProps {
  readonly overview: Overview | undefined
  readonly tables: TablesAnswer | undefined
  readonly runs: RunsAnswer | undefined
  /** The console itself does not answer. */
  readonly isUnreachable: boolean
}

interface Trouble {
  readonly what: string
  readonly problem?: Problem
}

export function Banner(props: BannerProps): ReactElement {
  const troubles = troublesOf(props)
  const since = oldestOf(props)
  return (
    <div role="status" aria-live="polite">
      {troubles.length > 0 && (
        <div className="banner">
          {troubles.map(({ what, problem }) => (
            <p key={what}>
              <strong>{what}</strong>
              {problem !== undefined && (
                <span>
                  {' '}
                  {problem.message}. {problem.hint}
                </span>
              )}
            </p>
          ))}
          {since !== undefined && <p className="soft">Shown is what was read at {exactTime(since)}.</p>}
        </div>
      )}
    </div>
  )
}

function troublesOf({ overview, tables, runs, isUnreachable }: BannerProps): readonly Trouble[] {
  if (isUnreachable) return [{ what: 'The console does not answer. Is “lake up” still running?' }]
  const troubles = new Map<string, Trouble>()
  for (const { stage, stoppedAt, problem } of overview?.stoppedStages ?? []) {
    const what = `The stage ${stage} stopped at ${exactTime(stoppedAt)}; it goes on at the next “lake up”.`
    troubles.set(what, { what, problem })
  }
  for (const { title, problem } of overview?.panels ?? []) {
    if (problem === null) continue
    const isAllOfIt = problem.code === 'CLICKHOUSE_UNAVAILABLE' || problem.code === 'CLICKHOUSE_REFUSED'
    const what = isAllOfIt ? 'ClickHouse does not answer.' : `${title} could not be refreshed.`
    troubles.set(what, { what, problem })
  }
  if (tables?.problem) {
    const what = 'The tables could not be read.'
    troubles.set(what, { what, problem: tables.problem })
  }
  for (const { name, problem } of tables?.tables ?? []) {
    if (problem === null) continue
    const what = `The table ${name} could not be read.`
    troubles.set(what, { what })
  }
  if (runs?.problem) {
    const what = 'The runs could not be read.'
    troubles.set(what, { what, problem: runs.problem })
  }
  return [...troubles.values()]
}

function oldestOf({ overview, tables, runs, isUnreachable }: BannerProps): string | undefined {
  if (isUnreachable) return overview?.now
  return [...(overview?.panels ?? []), tables, runs]
    .flatMap((reading) => (reading?.problem && reading.readAt !== null ? [reading.readAt] : []))
    .sort()[0]
}
