import { describe, expect, it } from 'vitest'
import { floatReading } from './clickhouse-floats.ts'

describe('floatReading(type)', () => {
  it.each([
    ['Float64', 'nan', 'NaN'],
    ['Float32', 'inf', 'Infinity'],
    ['Nullable(Float64)', '-inf', '-Infinity'],
    ['Nullable(Float64)', null, null],
    ['Float64', 1.5, 1.5],
    ['Array(Nullable(Float64))', ['nan', null, 2], ['NaN', null, 2]],
    ['Array(Array(Float32))', [['inf']], [['Infinity']]],
    ['Map(String, Float64)', { nan: 'nan' }, { nan: 'NaN' }],
    ['Tuple(String, Float64)', ['nan', 'nan'], ['nan', 'NaN']],
    ['Tuple(a String, `b, (c` Float64)', { a: 'inf', 'b, (c': 'inf' }, { a: 'inf', 'b, (c': 'Infinity' }],
    [
      "Tuple(e Enum8('nan' = 1, ')' = 2), d Array(Tuple(x Float64)))",
      { e: 'nan', d: [{ x: 'nan' }] },
      { e: 'nan', d: [{ x: 'NaN' }] },
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
