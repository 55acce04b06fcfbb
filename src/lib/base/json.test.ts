import { describe, expect, it } from 'vitest'
import { isLakeError } from './errors.ts'
import { formatJson, parseJson } from './json.ts'

describe('parseJson(text, what)', () => {
  it('keeps integers beyond 2^53, and leaves the others numbers', () => {
    expect(parseJson('{"a":9007199254740993,"b":[-9223372036854775808,7],"c":1.5}', 'test')).toEqual({
      a: 9007199254740993n,
      b: [-9223372036854775808n, 7],
      c: 1.5,
    })
  })

  it('names what is not JSON', () => {
    expect(() => parseJson('{', 'settings.json')).toThrow(/settings\.json: not JSON/)
  })
})

describe('formatJson(value)', () => {
  it.each([
    [{ a: 9007199254740993n, b: null, c: ['x', true] }],
    [[1, -1.5, '9007199254740993', 'line\nend', '\u2028']],
    [{}],
  ])('writes a value so that it reads back the same (case %#)', (value) => {
    expect(parseJson(formatJson(value), 'round trip')).toEqual(value)
  })
})

describe('isLakeError(error, ...codes)', () => {
  it.each([undefined, null, 'text', new Error('other')])('answers false for %s', (value) => {
    expect(isLakeError(value)).toBe(false)
  })
})
