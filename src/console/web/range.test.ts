import { describe, expect, it } from 'vitest'
import { rangeOf, withRange } from './range.ts'

describe('rangeOf(search)', () => {
  it.each([
    ['?minutes=1440', 1440],
    ['?a=b&minutes=360', 360],
    ['?minutes=7', 60],
    ['?minutes=', 60],
    ['', 60],
  ])('of %j is %i minutes', (search, minutes) => {
    expect(rangeOf(search)).toBe(minutes)
  })
})

describe('withRange(address, minutes)', () => {
  it('keeps what else stands in the address', () => {
    expect(withRange('http://localhost:8080/?a=b&minutes=60#runs', 360)).toBe(
      'http://localhost:8080/?a=b&minutes=360#runs',
    )
  })
})
