/** What every panel has: title, layer, how old its data is, what is provisional, what went wrong. */
import type { ReactElement, ReactNode } from 'react'
import type { PanelAnswer, Problem } from '../answers.ts'
import { age, exactTime } from './format.ts'

interface PanelFrameProps {
  readonly panel: PanelAnswer
  readonly nowMs: number
  /** Over which time, where the title does not say. */
  readonly scope?: string
  /** What is provisional in what is shown; nothing is when it is not given. */
  readonly provisional?: string | undefined
  readonly children: ReactNode
}

export function PanelFrame({ panel, nowMs, scope, provisional, children }: PanelFrameProps): ReactElement {
  const headingId = `panel-${panel.id}`
  return (
    <section
      className={`card panel panel-${panel.kind}`}
      aria-labelledby={headingId}
      data-panel={panel.id}
      data-stale={panel.isStale}
    >
      <header className="panel-head">
        <h2 id={headingId} title={panel.description} aria-describedby={`${headingId}-means`}>
          {panel.title}
          {scope !== undefined && <span className="scope"> {scope}</span>}
        </h2>
        {provisional !== undefined && (
          <span className="badge badge-provisional" title={panel.description}>
            {provisional}
          </span>
        )}
      </header>
      <p id={`${headingId}-means`} className="hidden">
        {panel.description}
      </p>
      <div className="panel-body">{children}</div>
      <footer className="panel-foot">
        <Age panel={panel} nowMs={nowMs} />
        {panel.isStale && panel.readAt !== null && (
          <span className="stale">
            not refreshed for {age(nowMs - Date.parse(panel.readAt)).replace(' ago', '')}
          </span>
        )}
      </footer>
    </section>
  )
}

const layerNames = { batch: 'Batch', realtime: 'Real time', joined: 'Batch and real time' } as const

function Age({ panel, nowMs }: { readonly panel: PanelAnswer; readonly nowMs: number }): ReactElement {
  const layer = layerNames[panel.layer]
  if (panel.asOf === null) return <span>{layer} · no data yet</span>
  return (
    <span>
      {layer} ·{' '}
      <time dateTime={panel.asOf} title={exactTime(panel.asOf)}>
        {panel.layer === 'batch' ? 'loaded ' : 'updated '}
        {age(nowMs - Date.parse(panel.asOf))}
      </time>
    </span>
  )
}

/** In the place of a picture. */
export function Empty({
  title,
  children,
}: {
  readonly title: string
  readonly children?: ReactNode
}): ReactElement {
  return (
    <div className="empty">
      <strong>{title}</strong>
      {children !== undefined && <span>{children}</span>}
    </div>
  )
}

/** In the place of what could never be read. */
export function Unread({ problem }: { readonly problem: Problem | null }): ReactElement {
  return <Empty title="Could not be read">{problem?.message}</Empty>
}
