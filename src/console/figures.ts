/** Converts the rows of a panel's SQL to the figures that are drawn. Pure. A row of another shape is a `BUG`. */
import { LakeError } from '../lib/base/errors.ts'
import type { Figures } from './answers.ts'
import type { TimeRange } from './macros.ts'
import type { Panel, TimeseriesPanel } from './panels.ts'

export type ResultRow = Readonly<Record<string, unknown>>

/** @throws LakeError `BUG` naming panel and column where a row is not what the panel declares. */
export function figuresOf(panel: Panel, rows: readonly ResultRow[], range: TimeRange): Figures {
  switch (panel.kind) {
    case 'stat':
      return {
        kind: 'stat',
        days: rows.map((row) => ({
          day: text(panel, row, 'time').slice(0, 10),
          value: figure(panel, row, panel.value),
          isProvisional: flag(panel, row, 'provisional'),
        })),
      }
    case 'bars':
      return {
        kind: 'bars',
        bars: rows.map((row) => ({
          label: text(panel, row, panel.label),
          value: figure(panel, row, panel.value),
          provisional: figure(panel, row, panel.provisional),
        })),
      }
    case 'timeseries':
      return {
        kind: 'timeseries',
        from: new Date(range.fromMs).toISOString(),
        to: new Date(range.toMs).toISOString(),
        stepSeconds: range.stepMs / 1000,
        series: seriesOf(panel, rows),
      }
  }
}

function seriesOf(
  panel: TimeseriesPanel,
  rows: readonly ResultRow[],
): Extract<Figures, { kind: 'timeseries' }>['series'] {
  const byLabel = new Map<string, { time: string; value: number }[]>()
  for (const row of rows) {
    const label = text(panel, row, panel.label)
    const points = byLabel.get(label) ?? []
    points.push({ time: utc(text(panel, row, 'time')), value: figure(panel, row, panel.value) })
    byLabel.set(label, points)
  }
  const others = [...byLabel.keys()].filter((label) => !panel.labels.includes(label)).sort()
  return [...panel.labels, ...others]
    .filter((label) => byLabel.has(label))
    .map((label) => ({ label, points: byLabel.get(label) ?? [] }))
}

/** `2026-11-23 07:30:00[.123456]` as ClickHouse writes a time in UTC → ISO 8601. */
export function utc(time: string): string {
  return new Date(`${time.replace(' ', 'T')}Z`).toISOString()
}

function refuse(panel: Panel, column: string, value: unknown, expected: string): LakeError {
  return new LakeError('BUG', `Panel ${panel.id}: expected ${expected} in ${column}, got ${typeof value}`)
}

function text(panel: Panel, row: ResultRow, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw refuse(panel, column, value, 'text')
  return value
}

/** Beyond 2^53 a picture may round. */
function figure(panel: Panel, row: ResultRow, column: string): number {
  const value = row[column]
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'number') throw refuse(panel, column, value, 'a number')
  return value
}

function flag(panel: Panel, row: ResultRow, column: string): boolean {
  const value = row[column]
  if (typeof value !== 'boolean') throw refuse(panel, column, value, 'true or false')
  return value
}
