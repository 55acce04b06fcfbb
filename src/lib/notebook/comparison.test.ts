import { describe, expect, it } from 'vitest'
import { compareRows } from './comparison.ts'

const row = (day: string, n: number | bigint): object => ({ day, n })

describe('compareRows(left, right, options)', () => {
  it('finds lists equal whatever their order and the type of their whole numbers', () => {
    const { isEqual, rows } = compareRows([row('a', 1), row('b', 2)], [row('b', 2n), row('a', 1)], {
      key: ['day'],
    })

    expect(isEqual).toBe(true)
    expect(rows.map(({ key }) => key)).toEqual([{ day: 'a' }, { day: 'b' }])
  })

  it('names the columns that differ, and the rows that one side lacks', () => {
    const { isEqual, rows } = compareRows([row('a', 1), row('b', 2)], [row('a', 3), row('c', 4)], {
      key: ['day'],
    })

    expect(isEqual).toBe(false)
    expect(rows).toEqual([
      { key: { day: 'a' }, left: row('a', 1), right: row('a', 3), differing: ['n'], isEqual: false },
      { key: { day: 'b' }, left: row('b', 2), right: undefined, differing: [], isEqual: false },
      { key: { day: 'c' }, left: undefined, right: row('c', 4), differing: [], isEqual: false },
    ])
  })

  it.each([
    [0.1 + 0.2, 0.3],
    [9007199254740993n, 9007199254740992],
    ['1', 1],
    [null, undefined],
  ])('does not take %s for %s', (one, other) => {
    const { isEqual } = compareRows([{ k: 1, v: one }], [{ k: 1, v: other }], { key: ['k'] })

    expect(isEqual).toBe(false)
  })

  it('takes lists and times for what they hold', () => {
    const made = (): object => ({ k: 1, reasons: ['late', null], at: new Date(0) })

    expect(compareRows([made()], [made()], { key: ['k'] }).isEqual).toBe(true)
    expect(
      compareRows([made()], [{ ...made(), reasons: ['late'] }], { key: ['k'] }).rows[0]?.differing,
    ).toEqual(['reasons'])
  })

  it('does not take null in a key for the text null, nor a number for its digits', () => {
    const [nulls, texts] = [
      [row('null', 1), row('1', 1)],
      [
        { day: null, n: 1 },
        { day: 1, n: 1 },
      ],
    ]

    const { rows } = compareRows(nulls, texts, { key: ['day'] })

    expect(rows).toHaveLength(4)
    expect(rows.every(({ left, right }) => left === undefined || right === undefined)).toBe(true)
  })

  it('leaves out columns that are not asked for', () => {
    const { isEqual } = compareRows([{ k: 1, v: 1, at: 1 }], [{ k: 1, v: 1, at: 2 }], {
      key: ['k'],
      columns: ['v'],
    })

    expect(isEqual).toBe(true)
  })

  it('refuses a key that stands twice', () => {
    expect(() => compareRows([row('a', 1), row('a', 2)], [], { key: ['day'] })).toThrow(
      'twice on the left side',
    )
  })
})
