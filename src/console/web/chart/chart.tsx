/** A chart of plotly.js as a component: drawn once, then changed in place, so that a refresh never blanks it. */
import type { Config, Layout, Trace } from 'plotly.js-basic-dist-min'
import { type ReactElement, useEffect, useRef } from 'react'

interface ChartProps {
  /** What a screen reader says in place of the picture. */
  readonly label: string
  readonly traces: readonly Trace[]
  readonly layout: Layout
  readonly height: number
}

const loadPlotly = () => import('plotly.js-basic-dist-min').then(({ default: plotly }) => plotly)

export function Chart({ label, traces, layout, height }: ChartProps): ReactElement {
  const element = useRef<HTMLDivElement>(null)

  useEffect(() => {
    let isCurrent = true
    const config: Config = { displayModeBar: false, responsive: false }
    const sized: Layout = { ...layout, height, autosize: true }
    void loadPlotly().then((plotly) => {
      if (isCurrent && element.current !== null) return plotly.react(element.current, traces, sized, config)
      return undefined
    })
    return () => {
      isCurrent = false
    }
  }, [traces, layout, height])

  useEffect(() => {
    const root = element.current
    if (root === null) return undefined
    let isMounted = true
    const observer = new ResizeObserver(() => {
      void loadPlotly().then((plotly) => {
        if (isMounted && root.querySelector('svg') !== null) return plotly.Plots.resize(root)
        return undefined
      })
    })
    observer.observe(root)
    return () => {
      isMounted = false
      observer.disconnect()
      void loadPlotly().then((plotly) => plotly.purge(root))
    }
  }, [])

  return <div ref={element} className="chart" role="img" aria-label={label} style={{ height }} />
}
