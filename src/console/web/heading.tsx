/** Title, whether events flow, and how far the time series look back. */
import type { ReactElement } from 'react'
import type { Overview } from '../answers.ts'
import { duration, exactTime } from './format.ts'
import { ranges } from './range.ts'
import type { Trouble } from './troubles.ts'

interface HeadingProps {
  readonly overview: Overview | undefined
  readonly troubles: readonly Trouble[]
  readonly nowMs: number
  readonly minutes: number
  readonly onMinutes: (minutes: number) => void
}

export function Heading({ overview, troubles, nowMs, minutes, onMinutes }: HeadingProps): ReactElement {
  return (
    <header className="heading">
      <div className="brand">
        <Mark />
        <div>
          <h1>Lakehouse Platform Overview</h1>
          <p className="soft">
            <Flow overview={overview} troubles={troubles} nowMs={nowMs} />
          </p>
        </div>
      </div>
      <fieldset className="ranges">
        <legend className="hidden">How far the time series look back</legend>
        {ranges.map((range) => (
          <label key={range.minutes}>
            <input
              type="radio"
              name="range"
              checked={range.minutes === minutes}
              onChange={() => onMinutes(range.minutes)}
            />
            <span>{range.label}</span>
          </label>
        ))}
      </fieldset>
    </header>
  )
}

const liveMs = 30_000

/** The worst of all parts: what is wrong comes before what flows. */
function Flow({
  overview,
  troubles,
  nowMs,
}: Pick<HeadingProps, 'overview' | 'troubles' | 'nowMs'>): ReactElement {
  const [trouble] = troubles
  if (trouble !== undefined) {
    return (
      <>
        <i className="pulse pulse-trouble" aria-hidden="true" />
        {trouble.what}
        {troubles.length > 1 && ` And ${troubles.length - 1} more.`}
      </>
    )
  }
  if (overview === undefined) return <>Reading…</>
  if (overview.comingUp !== null) return <>Coming up…</>
  const written = overview.freshness.find(({ layer }) => layer === 'realtime')?.asOf ?? null
  const clock = `${exactTime(new Date(nowMs).toISOString()).slice(11)}`
  if (written === null) return <>No events yet · {clock}</>
  const quietMs = nowMs - Date.parse(written)
  return (
    <>
      <i className={quietMs < liveMs ? 'pulse pulse-live' : 'pulse'} aria-hidden="true" />
      {quietMs < liveMs ? 'Live' : `Quiet for ${duration(quietMs)}`} · {clock}
    </>
  )
}

function Mark(): ReactElement {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M5 13c3.7-3.5 7.3-3.5 11 0s7.3 3.5 11 0M5 20c3.7-3.5 7.3-3.5 11 0s7.3 3.5 11 0" />
    </svg>
  )
}
