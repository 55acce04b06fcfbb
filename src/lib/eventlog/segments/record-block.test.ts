import { describe, expect, it } from 'vitest'
import type { NewMessage } from '../eventlog.ts'
import { decodeBlock, encodeBlock } from './record-block.ts'

const place = { partition: 2, first: 2n ** 53n, timestampMs: 7 }

describe('decodeBlock(encodeBlock(messages))', () => {
  it('gives the messages back, with their places', () => {
    const bytes = (text: string): Buffer => Buffer.from(text)
    const messages: NewMessage[] = [
      { key: null, value: null },
      { key: bytes(''), value: bytes('') },
      { key: bytes('k'), value: Buffer.alloc(70_000, 1), headers: [] },
      {
        key: null,
        value: bytes('v'),
        headers: [
          { key: 'é', value: bytes('1') },
          { key: '', value: null },
        ],
      },
    ]

    const decoded = decodeBlock(encodeBlock(messages), place)

    expect(decoded).toEqual(
      messages.map((message, n) => ({
        headers: [],
        ...message,
        partition: 2,
        offset: 2n ** 53n + BigInt(n),
        timestampMs: 7,
      })),
    )
  })

  it.each([
    ['is cut off', encodeBlock([{ key: null, value: Buffer.from('value') }]).subarray(0, -1)],
    ['is of a version that it does not know', Buffer.from([9])],
    ['is empty', Buffer.alloc(0)],
  ])('refuses a block that %s', (_, block) => {
    expect(() => decodeBlock(block, place)).toThrow('partition 2: the block at offset 9007199254740992')
  })
})
