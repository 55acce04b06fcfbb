import { describe, expect, it } from 'vitest'
import { fraction, isoDate, isoTime, names, wholeNumber } from './arguments.ts'

describe('isoTime(text)', () => {
  it('takes a time, and says what it expected of any other text', () => {
    expect(isoTime('2026-01-31T12:30')).toBe(Date.UTC(2026, 0, 31, 12, 30))
    expect(() => isoTime('yesterday')).toThrow('Expected a time')
  })
})

describe('isoDate(text)', () => {
  it('takes days that there are', () => {
    expect(isoDate('2024-02-29')).toBe('2024-02-29')
    expect(() => isoDate('2026-02-29')).toThrow('Expected a day')
  })
})

describe('wholeNumber(range)', () => {
  it.each(['1.5', '1e3', '', 'x', '0', '11'])('refuses %j for a number from 1 to 10', (text) => {
    expect(() => wholeNumber({ min: 1, max: 10 })(text)).toThrow('from 1 to 10')
  })
})

describe('fraction(text)', () => {
  it('is within 0 and 1', () => {
    expect(fraction('0.03')).toBe(0.03)
    expect(() => fraction('')).toThrow('Expected a fraction')
    expect(() => fraction('-0.1')).toThrow('Expected a fraction')
  })
})

describe('names(text, before)', () => {
  it('gathers what is given again and again', () => {
    expect(names('b, c', ['a'])).toEqual(['a', 'b', 'c'])
    expect(() => names('a,,b')).toThrow('Expected names')
  })
})
