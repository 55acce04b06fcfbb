import { describe, expect, it } from 'vitest'
import { compareUtf8 } from './store.ts'

describe('compareUtf8(a, b)', () => {
  const texts = [
    '',
    'a',
    'ab',
    'b',
    '\u007f',
    '\u0080',
    'é',
    '\ud7ff',
    '\ue000',
    '\uffff',
    '\u{10000}',
    '\u{10ffff}',
    'a\u{1f600}',
    'a\uffff',
  ]

  it('orders any two texts as their UTF-8 bytes', () => {
    for (const a of texts) {
      for (const b of texts) {
        expect(Math.sign(compareUtf8(a, b)), `${a} and ${b}`).toBe(
          Buffer.compare(Buffer.from(a), Buffer.from(b)),
        )
      }
    }
  })
})
