import { describe, expect, it } from 'vitest'
import { isLakeError } from '../../base/errors.ts'
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

    const decoded = decodeBlock(encodeBlock(messages, place), place)

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
    ['is cut off', encodeBlock([{ key: null, value: Buffer.from('value') }], place).subarray(0, -1)],
    ['is of a version that it does not know', Buffer.from([9])],
    ['is empty', Buffer.alloc(0)],
  ])('refuses a block that %s', (_, block) => {
    expect(() => decodeBlock(block, place)).toThrow('partition 2: the block at offset 9007199254740992')
  })

  it('refuses a block in which any bit has turned, and one that stands at another place', () => {
    const whole = encodeBlock([{ key: Buffer.from('k'), value: Buffer.from('{"user_id":7}') }], place)
    const believed: number[] = []

    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = Buffer.from(whole)
      damaged.writeUInt8(damaged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      try {
        decodeBlock(damaged, place)
        believed.push(bit)
      } catch (error) {
        if (!isLakeError(error, 'LOG_CORRUPT')) throw error
      }
    }

    expect(believed).toEqual([])
    for (const other of [{ partition: 1 }, { first: 5n }, { timestampMs: 8 }]) {
      expect(() => decodeBlock(whole, { ...place, ...other })).toThrow('cannot be decoded')
    }
  })

  it('reads a block of a release that wrote no checksum', () => {
    const old = Buffer.from('0102010000007600000000', 'hex')

    expect(decodeBlock(old, place)).toMatchObject([{ key: null, value: Buffer.from('v') }])
  })
})
