/** The Lakehouse Platform Overview: three rows of panels, the books, then the tables and the last runs. */
import type { ReactElement } from 'react'
import type { Freshness, Overview, PanelAnswer } from '../answers.ts'
import { Banner } from './banner.tsx'
import { BarsPanel } from './bars-panel.tsx'
import { BooksCard } from './books-card.tsx'
import { CardBoundary } from './card-boundary.tsx'
import { ComingUp } from './coming-up.tsx'
import { Heading } from './heading.tsx'
import { useNow } from './now.ts'
import { useRange } from './range.ts'
import { useBooks, useOverview, useRuns, useTables } from './readings.ts'
import { RunsCard } from './runs-card.tsx'
import { StatPanel } from './stat-panel.tsx'
import { TablesCard } from './tables-card.tsx'
import { TimeseriesPanel } from './timeseries-panel.tsx'
import { troublesOf } from './troubles.ts'

const rows = ['top', 'middle', 'bottom'] as const
const rowNames = { top: 'Batch, latest day', middle: 'Real time', bottom: 'Batch, last seven days' } as const
const skeletons = { top: 4, middle: 2, bottom: 1 } as const

export function App(): ReactElement {
  const [minutes, setMinutes] = useRange()
  const overview = useOverview(minutes)
  const tables = useTables()
  const runs = useRuns()
  const books = useBooks()
  const nowMs = useNow(overview.data?.now, overview.dataUpdatedAt)
  const readings = {
    overview: overview.data,
    tables: tables.data,
    runs: runs.data,
    books: books.data,
    isUnreachable: overview.isError,
  }
  return (
    <>
      <Heading
        overview={overview.data}
        troubles={troublesOf(readings)}
        nowMs={nowMs}
        minutes={minutes}
        onMinutes={setMinutes}
      />
      <main>
        <Banner {...readings} />
        <ComingUp progress={overview.data?.comingUp ?? null} />
        {rows.map((row) => (
          <section key={row} className={`row row-${row}`} aria-label={rowNames[row]}>
            {overview.data === undefined
              ? Array.from({ length: skeletons[row] }, (_, at) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: placeholders are all alike
                  <div key={at} className="card skeleton-card" aria-hidden="true">
                    <div className="skeleton" />
                  </div>
                ))
              : panelsOf(overview.data, row).map((panel) => (
                  <CardBoundary key={panel.id} title={panel.title}>
                    <Panel panel={panel} freshness={overview.data.freshness} nowMs={nowMs} />
                  </CardBoundary>
                ))}
          </section>
        ))}
        <section className="row" aria-label="The books">
          <CardBoundary title="The books">
            <BooksCard answer={books.data} nowMs={nowMs} />
          </CardBoundary>
        </section>
        <div className="row row-lists">
          <CardBoundary title="Tables">
            <TablesCard answer={tables.data} nowMs={nowMs} />
          </CardBoundary>
          <CardBoundary title="Runs">
            <RunsCard answer={runs.data} nowMs={nowMs} />
          </CardBoundary>
        </div>
      </main>
    </>
  )
}

const panelsOf = ({ panels }: Overview, row: PanelAnswer['row']): readonly PanelAnswer[] =>
  panels.filter((panel) => panel.row === row)

interface PanelProps {
  readonly panel: PanelAnswer
  /** Of each layer that has been read. */
  readonly freshness: readonly Freshness[]
  readonly nowMs: number
}

function Panel({ panel, freshness, nowMs }: PanelProps): ReactElement {
  const { figures } = panel
  const oldestWindow = freshness.find(({ layer }) => layer === 'realtime')?.oldestWindow ?? null
  switch (panel.kind) {
    case 'stat':
      return (
        <StatPanel
          panel={panel}
          figures={figures?.kind === 'stat' ? figures : null}
          oldestWindow={oldestWindow}
          nowMs={nowMs}
        />
      )
    case 'timeseries':
      return (
        <TimeseriesPanel
          panel={panel}
          figures={figures?.kind === 'timeseries' ? figures : null}
          freshness={freshness.find(({ layer }) => layer === panel.layer)}
          nowMs={nowMs}
        />
      )
    case 'bars':
      return <BarsPanel panel={panel} figures={figures?.kind === 'bars' ? figures : null} nowMs={nowMs} />
  }
}
