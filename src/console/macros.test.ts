import { describe, expect, it } from 'vitest'
import { expandMacros } from './macros.ts'

const range = { fromMs: 1_000_999, toMs: 2_000_000, stepMs: 300_000 }

describe('expandMacros(sql, range)', () => {
  it.each([
    ['$__timeFilter(window_start)', 'window_start >= toDateTime(1000) AND window_start <= toDateTime(2000)'],
    ['$__timeInterval(window_start)', 'toStartOfInterval(toDateTime(window_start), INTERVAL 300 second)'],
    ['t > $__fromTime AND t < $__toTime', 't > toDateTime(1000) AND t < toDateTime(2000)'],
    ['SELECT 1', 'SELECT 1'],
  ])('expands %s as the plugin does', (sql, expanded) => {
    expect(expandMacros(sql, range)).toBe(expanded)
  })

  it.each([
    '$__timeFilter()',
    '$__timeInterval()',
    '$__timeFilter',
    '$__interval_s',
    '$__fromTime(x)',
  ])('refuses %s', (sql) => {
    expect(() => expandMacros(sql, range)).toThrow(sql)
  })
})
