import { Partitioners } from 'kafkajs'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { describe, expect, it } from 'vitest'
import { murmur2, partitionOfKey, spread } from './partitioner.ts'

describe('murmur2(bytes)', () => {
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('gives %s what Kafka’s own UtilsTest gives it', (text, hash) => {
    expect(murmur2(Buffer.from(text))).toBe(hash)
  })
})

describe('partitionOfKey(key, count)', () => {
  it('agrees with the partitioner of kafkajs for keys of every length', () => {
    const random = xoroshiro128plus(7)
    const partitioner = Partitioners.DefaultPartitioner()

    for (let length = 0; length < 100; length++) {
      const key = Buffer.from(Array.from({ length }, () => uniformInt(random, 0, 255)))
      for (const count of [1, 3, 7]) {
        const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({
          partitionErrorCode: 0,
          partitionId,
          leader: 1,
          replicas: [1],
          isr: [1],
        }))
        const theirs = partitioner({ topic: 't', partitionMetadata, message: { key, value: null } })
        expect(partitionOfKey(key, count)).toBe(theirs)
      }
    }
  })
})

describe('spread(messages, count, turn)', () => {
  it('gives messages without a key to the partitions in turn', () => {
    const messages = Array.from({ length: 4 }, (_, n) => ({ key: null, n }))

    const spreadOut = spread(messages, 3, 5)

    expect(spreadOut.map((group) => group.map(({ n }) => n))).toEqual([[1], [2], [0, 3]])
  })
})
