import { describe, expect, it } from 'vitest'
import { hexDump } from './hex-dump.ts'

describe('hexDump(bytes)', () => {
  it('writes every byte with its place, and what is ASCII', () => {
    expect(hexDump(Uint8Array.from([...Buffer.from('{"a":"0123456789"'), 0xff]))).toBe(
      [
        '00000000: 7b 22 61 22 3a 22 30 31 32 33 34 35 36 37 38 39  {"a":"0123456789',
        '00000010: 22 ff                                            ".',
      ].join('\n'),
    )
  })

  it('is empty for nothing', () => {
    expect(hexDump(new Uint8Array())).toBe('')
  })
})
