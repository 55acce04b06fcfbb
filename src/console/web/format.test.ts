import { describe, expect, it } from 'vitest'
import { age, bytes, day, duration, figure, plainText } from './format.ts'

describe('figure(value, unit)', () => {
  it.each([
    [1234567, 'count', '1,234,567'],
    [0, 'count', '0'],
    [0.4123, 'ratio', '41.2%'],
    [1, 'ratio', '100.0%'],
  ] as const)('%d as %s is %s', (value, unit, text) => {
    expect(figure(value, unit)).toBe(text)
  })
})

describe('duration(ms)', () => {
  it.each([
    [-5, '0 ms'],
    [340, '340 ms'],
    [1900, '1.9 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [3_599_999, '59 min'],
    [86_399_999, '23 h'],
    [86_400_000, '1 day'],
    [200_000_000, '2 days'],
  ])('%d ms is %s', (ms, text) => {
    expect(duration(ms)).toBe(text)
  })
})

describe('age(ms)', () => {
  it.each([
    [-3000, 'just now'],
    [999, 'just now'],
    [4700, '4 s ago'],
  ])('%d ms is %s', (ms, text) => {
    expect(age(ms)).toBe(text)
  })
})

describe('bytes(size)', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [10 * 2 ** 20, '10 MiB'],
    [2 ** 50, '1 PiB'],
  ])('%d is %s', (size, text) => {
    expect(bytes(size)).toBe(text)
  })
})

describe('day(isoDay)', () => {
  it('is the UTC day', () => {
    expect(day('2026-11-22')).toBe('Sun 22 Nov')
  })
})

describe('plainText(text)', () => {
  it('leaves no markup for a chart to read', () => {
    expect(plainText('<a href="https://example.org">a & b</a>')).toBe(
      '&lt;a href="https://example.org"&gt;a &amp; b&lt;/a&gt;',
    )
  })
})
