import { describe, expect, it } from 'vitest'
import { floatReading } from './float-values.ts'

describe('floatReading(type)', () => {
  it.each([
    ['Float64', 'nan', Number.NaN],
    ['Float32', 'inf', Number.POSITIVE_INFINITY],
    ['Nullable(Float64)', '-inf', Number.NEGATIVE_INFINITY],
    ['Nullable(Float64)', null, null],
    ['Float64', 1.5, 1.5],
    ['Array(Nullable(Float64))', ['nan', null, 2], [Number.NaN, null, 2]],
    ['Array(Array(Float32))', [['inf']], [[Number.POSITIVE_INFINITY]]],
    ['Map(String, Float64)', { nan: 'nan' }, { nan: Number.NaN }],
    ['Tuple(String, Float64)', ['nan', 'nan'], ['nan', Number.NaN]],
    [
      'Tuple(a String, `b, (c` Float64)',
      { a: 'inf', 'b, (c': 'inf' },
      { a: 'inf', 'b, (c': Number.POSITIVE_INFINITY },
    ],
    [
      "Tuple(e Enum8('nan' = 1, ')' = 2), d Array(Tuple(x Float64)))",
      { e: 'nan', d: [{ x: 'nan' }] },
      { e: 'nan', d: [{ x: Number.NaN }] },
    ],
  ])('in %s reads %j as %j', (type, written, read) => {
    expect(floatReading(type)?.(written)).toEqual(read)
  })

  it.each([
    'String',
    'LowCardinality(String)',
    'Array(String)',
    "Enum8('nan' = 1)",
    'Tuple(a String)',
  ])('leaves %s as it is', (type) => {
    expect(floatReading(type)).toBeUndefined()
  })
})
