/** What the platform does before it is up, and how far it is. */
import type { ReactElement } from 'react'
import type { Overview } from '../answers.ts'

export function ComingUp({ progress }: { readonly progress: Overview['comingUp'] }): ReactElement | null {
  if (progress === null) return null
  const { step, done, total } = progress
  const isMeasured = done !== null && total !== null && total > 0
  const percent = isMeasured ? Math.floor((100 * done) / total) : undefined
  return (
    <section className="card coming-up" role="status" aria-live="polite">
      <p>
        <strong>Lakeshore is coming up.</strong> {step}
        {percent !== undefined && `: ${percent} %`}
      </p>
      <progress aria-label={step} {...(isMeasured && { value: done, max: total })} />
    </section>
  )
}
