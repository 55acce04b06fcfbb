import { describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { typedColumns } from './typed-columns.ts'

describe('typedColumns(rows)', () => {
  it.each<[string, readonly unknown[], string, readonly unknown[]]>([
    ['whole numbers', [1, 2n, null], 'bigint', [1n, 2n, null]],
    ['numbers', [1, 0.5, Number.NaN, 3n], 'double', [1, 0.5, Number.NaN, 3]],
    ['texts', ['a', undefined, 'b'], 'varchar', ['a', null, 'b']],
    ['truths', [true, false, null], 'boolean', [true, false, null]],
    ['bytes', [new Uint8Array([1])], 'blob', [new Uint8Array([1])]],
    ['times', [new Date(5), null], 'timestampMs', [5, null]],
    ['lists and objects', [['a', 1n], { b: 2 }], 'varchar', ['["a","1"]', '{"b":2}']],
    ['nothing but nulls', [null, undefined], 'varchar', [null, null]],
  ])('keeps %s', (_, values, kind, kept) => {
    expect(typedColumns(values.map((value) => ({ column: value })))).toEqual([
      { name: 'column', kind, values: kept },
    ])
  })

  it('takes a column that only some rows have, and a frame by its columns', () => {
    expect(typedColumns([{ a: 1 }, { b: 'x' }])).toEqual([
      { name: 'a', kind: 'bigint', values: [1n, null] },
      { name: 'b', kind: 'varchar', values: [null, 'x'] },
    ])
    expect(typedColumns({ columns: ['a', 'b'], values: [[1, 'x'], [2]] })).toEqual([
      { name: 'a', kind: 'bigint', values: [1n, 2n] },
      { name: 'b', kind: 'varchar', values: ['x', null] },
    ])
  })

  it.each<[string, readonly unknown[], string]>([
    ['two types', [1, 'a'], 'column c: expected values of one type, got whole and text'],
    [
      'more than 64 bits',
      [2n ** 63n],
      'column c: expected whole numbers of 64 bits, got 9223372036854775808',
    ],
    [
      'a number that would be rounded',
      [0.5, 9007199254740993n],
      'column c: expected values of one type, got 9007199254740993',
    ],
  ])('refuses %s rather than change a value', (_, values, words) => {
    expect(() => typedColumns(values.map((c) => ({ c })))).toThrow(
      expect.toSatisfy((error: unknown) => isLakeError(error, 'USAGE') && error.message.startsWith(words)),
    )
  })

  it('refuses rows without columns', () => {
    expect(() => typedColumns([])).toThrow('expected at least one row')
  })
})
