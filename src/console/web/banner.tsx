/** Names what does not answer and what has stopped, and since when what is shown has not changed. */
import type { ReactElement } from 'react'
import { exactTime } from './format.ts'
import { type Readings, troublesOf } from './troubles.ts'

export function Banner(props: Readings): ReactElement {
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

function oldestOf({ overview, tables, runs, books, isUnreachable }: Readings): string | undefined {
  if (isUnreachable) return overview?.now
  return [...(overview?.panels ?? []), tables, runs, books]
    .flatMap((reading) => (reading?.problem && reading.readAt !== null ? [reading.readAt] : []))
    .sort()[0]
}
