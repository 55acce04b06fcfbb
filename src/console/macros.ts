/**
 * Expands the macros of Grafana's ClickHouse plugin that our panels use, as the plugin does, so that both use one SQL
 * text. An unknown macro is an error; it is never sent to ClickHouse.
 */
import { LakeError } from '../lib/base/errors.ts'

export interface TimeRange {
  /** Milliseconds since the epoch; both ends belong to the range, as in Grafana. */
  readonly fromMs: number
  readonly toMs: number
  /** How long a bin of time series is, in whole seconds. */
  readonly stepMs: number
}

const dateTime = (ms: number): string => `toDateTime(${Math.floor(ms / 1000)})`

/** @throws LakeError `BUG` naming a macro that is unknown or has the wrong arguments. */
export function expandMacros(sql: string, { fromMs, toMs, stepMs }: TimeRange): string {
  return sql.replace(/\$__(\w+)(?:\(([^()]*)\))?/g, (text, name: string, argument: string | undefined) => {
    const column = argument?.trim() ?? ''
    if (name === 'timeFilter' && column !== '') {
      return `${column} >= ${dateTime(fromMs)} AND ${column} <= ${dateTime(toMs)}`
    }
    if (name === 'timeInterval' && column !== '') {
      return `toStartOfInterval(toDateTime(${column}), INTERVAL ${stepMs / 1000} second)`
    }
    if (name === 'fromTime' && column === '') return dateTime(fromMs)
    if (name === 'toTime' && column === '') return dateTime(toMs)
    throw new LakeError(
      'BUG',
      `Panel SQL: expected $__timeFilter(column), $__timeInterval(column), $__fromTime or $__toTime, got ${text}`,
    )
  })
}
