import { describe, expect, it } from 'vitest'
import { drawTable } from './table-text.ts'

const lines = (...texts: string[]): string => texts.join('\n')

describe('drawTable(columns, rows, look)', () => {
  it('is as wide as its cells where there is room, numbers to the right', () => {
    expect(
      drawTable(
        ['n', 'name'],
        [
          [1, 'a'],
          [-20, 'bc'],
        ],
      ),
    ).toBe(
      lines(
        '┌─────┬──────┐',
        '│   n │ name │',
        '├─────┼──────┤',
        '│   1 │ a    │',
        '│ -20 │ bc   │',
        '└─────┴──────┘',
      ),
    )
  })

  it('tells a null from an empty text, and names every column', () => {
    expect(drawTable([''], [[null], ['']], { nullText: 'NULL' })).toBe(
      lines(
        '┌───────────┐',
        '│ (no name) │',
        '├───────────┤',
        '│ NULL      │',
        '│           │',
        '└───────────┘',
      ),
    )
  })

  it('fits the width: narrow columns keep theirs, what is cut ends in …', () => {
    const text = drawTable(['id', 'text', 'other'], [[1, 'x'.repeat(60), 'y'.repeat(30)]], { width: 40 })

    expect(text.split('\n').map((line) => line.length)).toEqual([40, 40, 40, 40, 40])
    expect(text).toContain(`│  1 │ ${'x'.repeat(13)}… │ ${'y'.repeat(13)}… │`.slice(0, 20))
    expect(text.match(/…/g)).toHaveLength(2)
  })

  it('draws a line a value where the columns do not fit, or when it is asked to', () => {
    const columns = Array.from({ length: 12 }, (_, index) => `column ${index}`)

    expect(drawTable(columns, [columns], { width: 60 }).split('\n')).toHaveLength(13)
    expect(drawTable(['a', 'bc'], [[1, null]], { isVertical: true, nullText: 'NULL' })).toBe(
      lines('─ row 1 ┬─', 'a  │ 1', 'bc │ NULL'),
    )
  })

  it.each([
    [1234567, '1,234,567'],
    [-12345678901234567890n, '-12,345,678,901,234,567,890'],
    [12345.6789, '12,345.6789'],
    [2024, '2024'],
    [1e21, '1e+21'],
    ['12345', '12345'],
  ])('groups the digits of %s as %s on a terminal', (value, shown) => {
    expect(drawTable(['n'], [[value]], { hasGroups: true })).toContain(` ${shown} `)
  })

  it.each([
    ['2026-01-02T03:04:05.000000Z', '2026-01-02T03:04:05Z'],
    ['2026-01-02T03:04:05.120000', '2026-01-02T03:04:05.12'],
    ['2026-01-02T03:04:05.000001Z', '2026-01-02T03:04:05.000001Z'],
    ['03:04:05.5', '03:04:05.5'],
  ])('shows the time %s as %s', (value, shown) => {
    expect(drawTable(['t'], [[value]])).toContain(`│ ${shown} │`)
  })
})
