import { describe, expect, it } from 'vitest'
import { field, structOf } from '../schema/schema.ts'
import { decodeStatistics, encodeStatistics } from './statistics.ts'

const schema = structOf(
  field('n', 'long'),
  field('s', 'string'),
  field('t', 'timestamp'),
  field('f', 'double'),
  field('price', 'decimal(38,2)'),
  field('inner', structOf(field('d', 'date'))),
)

function boundsOf(path: readonly string[], min: string, max: string, hasNan = false): unknown {
  const { minValues, maxValues } = decodeStatistics(
    encodeStatistics(1, [{ path, min, max, nullCount: 0n, hasNan }], schema),
  ) ?? { minValues: {}, maxValues: {} }
  return [minValues, maxValues]
}

describe('encodeStatistics(rows, columns, schema)', () => {
  it('keeps 64-bit integers exactly', () => {
    expect(boundsOf(['n'], '-9223372036854775808', '9223372036854775807')).toEqual([
      { n: -9223372036854775808n },
      { n: 9223372036854775807n },
    ])
  })

  it('writes decimals with all their digits', () => {
    const column = {
      path: ['price'],
      min: '-0.10',
      max: '12345678901234567890.12',
      nullCount: 0n,
      hasNan: false,
    }
    expect(encodeStatistics(1, [column], schema)).toContain(
      '"minValues":{"price":-0.10},"maxValues":{"price":12345678901234567890.12}',
    )
  })

  it('floors the lower timestamp and rounds the upper one up to the millisecond', () => {
    expect(boundsOf(['t'], '2026-01-01 00:00:00.000999+00', '2026-01-01 23:59:59.999001+00')).toEqual([
      { t: '2026-01-01T00:00:00.000Z' },
      { t: '2026-01-02T00:00:00.000Z' },
    ])
  })

  it('gives no upper bound where rounding up would leave the year 9999', () => {
    expect(boundsOf(['t'], '2026-01-01 00:00:00+00', '9999-12-31 23:59:59.999999+00')).toEqual([
      { t: '2026-01-01T00:00:00.000Z' },
      {},
    ])
  })

  it.each([
    ['a'.repeat(33), `${'a'.repeat(32)}\u007f`],
    [`${'a'.repeat(32)}é`, `${'a'.repeat(32)}\u{10ffff}`],
    // The 32nd unit is the first half of a pair: the pair is not split.
    [`${'a'.repeat(31)}😀b`, `${'a'.repeat(31)}\u{10ffff}`],
    [`${'a'.repeat(32)}\u{10ffff}b`, `${'a'.repeat(32)}\u{10ffff}\u007f`],
    [`${'a'.repeat(32)}\u{10ffff}`, `${'a'.repeat(32)}\u{10ffff}`],
    ['short', 'short'],
  ])('raises the upper bound of a long text above what was cut off', (value, upper) => {
    const [, max] = boundsOf(['s'], value, value) as [unknown, { s: string }]
    expect(max.s).toBe(upper)
    expect(Buffer.compare(Buffer.from(max.s), Buffer.from(value))).toBeGreaterThanOrEqual(0)
  })

  it('gives no upper bound to a text of the last characters there are', () => {
    expect(boundsOf(['s'], 'a', '\u{10ffff}'.repeat(40))).toEqual([{ s: 'a' }, {}])
  })

  it('gives no bounds where a NaN may be, and none that JSON cannot hold', () => {
    expect(boundsOf(['f'], '1', '2', true)).toEqual([{}, {}])
    expect(boundsOf(['f'], '-inf', 'inf')).toEqual([{}, {}])
  })

  it('nests the bounds of a struct', () => {
    expect(boundsOf(['inner', 'd'], '2026-01-01', '2026-01-02')).toEqual([
      { inner: { d: '2026-01-01' } },
      { inner: { d: '2026-01-02' } },
    ])
  })
})

describe('decodeStatistics(stats)', () => {
  it.each([undefined, '', 'torn {', '[]', '7'])('takes %j as no statistics', (stats) => {
    expect(decodeStatistics(stats)).toBeUndefined()
  })
})
