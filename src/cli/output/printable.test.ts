import { describe, expect, it } from 'vitest'
import { printable, printableBytes } from './printable.ts'

describe('printable(text)', () => {
  it.each([
    ['ordinary ünïcode 数', 'ordinary ünïcode 数'],
    ['\u001b[2J', '\\x1b[2J'],
    ['a\nb\tc\r', 'a\\nb\\tc\\r'],
    ['\u009b31m', '\\x9b31m'],
    ['\u202eevil', '\\u{202e}evil'],
  ])('shows %j without moving a cursor', (text, shown) => {
    expect(printable(text)).toBe(shown)
  })
})

describe('printableBytes(bytes, maxLength)', () => {
  it('shows text as text, other bytes as escapes', () => {
    expect(printableBytes(Buffer.from('é{'), 20)).toBe('é{')
    expect(printableBytes(Uint8Array.of(0xff, 0x41, 0x00), 20)).toBe('\\xffA\\x00')
  })

  it('cuts what is too long, also in the midst of a character', () => {
    expect(printableBytes(Buffer.from('€'.repeat(100)), 5)).toBe('€€€€…')
  })
})
