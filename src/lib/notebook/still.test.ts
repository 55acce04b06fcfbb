import { describe, expect, it } from 'vitest'
import { area, bar, heatMap, line } from './figure.ts'
import { stillOf } from './still.ts'

const days = [
  { day: '2026-01-02', source: 'web', n: 30 },
  { day: '2026-01-01', source: 'web', n: 10 },
  { day: '2026-01-01', source: 'mobile', n: 20 },
]
const numbersOf = (svg: string | undefined, name: string): readonly number[] =>
  [...(svg ?? '').matchAll(new RegExp(`${name}="([\\d.]+)"`, 'g'))].map(([, value]) => Number(value))
const barsOf = (svg: string | undefined): readonly string[] =>
  [...(svg ?? '').matchAll(/<rect x="[\d.]+" y="[\d.]+" width="(?!12")[^>]+>/g)].map(([bar]) => bar)

describe('stillOf(figure)', () => {
  it('draws bars that stand on each other, in the order of days, with titles and names', () => {
    const svg = stillOf(bar(days, { x: 'day', y: 'n', color: 'source', title: 'A < B' }))

    const bars = barsOf(svg)
    const [second = 0, first = 0, above = 0] = bars.map((bar) => numbersOf(bar, ' x')[0] ?? 0)
    expect(bars).toHaveLength(3)
    expect(first).toBeLessThan(second)
    expect(above).toBe(first)
    const [, webY = 0, mobileY = 0] = bars.map((bar) => numbersOf(bar, ' y')[0] ?? 0)
    expect(mobileY + (numbersOf(bars[2], 'height')[0] ?? 0)).toBeCloseTo(webY)
    for (const text of ['A &lt; B', '>web<', '>mobile<', '>2026-01-01<', '>day<', '>n<', '>30<']) {
      expect(svg).toContain(text)
    }
  })

  it('draws lines with round numbers beside them, and nothing where a value is missing', () => {
    const rows = [
      { x: 0, y: -0.5 },
      { x: 10, y: null },
      { x: 20, y: 0.5 },
    ]

    const svg = stillOf(line(rows, { x: 'x', y: 'y' }))

    expect(svg?.match(/<polyline points="([^"]+)"/)?.[1]?.split(' ')).toHaveLength(2)
    for (const text of ['>-0.4<', '>0.4<', '>20<']) expect(svg).toContain(text)
  })

  it('takes a hundred thousand points', () => {
    const rows = Array.from({ length: 100_000 }, (_, at) => ({ at, n: at % 7 }))

    expect(stillOf(line(rows, { x: 'at', y: 'n' }))).toContain('<polyline')
  })

  it('stacks areas: the second stands on the first', () => {
    const rows = ['a', 'b'].flatMap((name) => [1, 2].map((x) => ({ x, name, y: 10 })))

    const svg = stillOf(area(rows, { x: 'x', y: 'y', color: 'name' }))

    const [first = [], second = []] = [...(svg ?? '').matchAll(/<polygon points="([^"]+)"/g)].map(
      ([, points]) => (points ?? '').split(' '),
    )
    expect(first).toHaveLength(4)
    expect(second.slice(2).reverse()).toEqual(first.slice(0, 2))
  })

  it('draws a cell of a heat map for each value, the greatest the darkest', () => {
    const rows = [
      { day: 'mon', hour: 'h1', n: 1 },
      { day: 'tue', hour: 'h2', n: 9 },
    ]

    const svg = stillOf(heatMap(rows, { x: 'day', y: 'hour', value: 'n' }))

    const cells = [...(svg ?? '').matchAll(/fill="hsl\(210,70%,(\d+)%\)"/g)].map(([, dark]) => Number(dark))
    expect(cells).toEqual([95, 35])
    for (const text of ['>mon<', '>h2<']) expect(svg).toContain(text)
  })

  it.each([
    ['no values', { data: [], layout: {} }],
    ['a pie', { data: [{ type: 'pie', values: [1] }], layout: {} }],
    [
      'bars side by side',
      { data: ['a', 'b'].map((name) => ({ type: 'bar', name, x: [1], y: [1] })), layout: {} },
    ],
  ])('draws nothing of %s, which it would draw wrong', (_, figure) => {
    expect(stillOf(figure)).toBeUndefined()
  })
})
