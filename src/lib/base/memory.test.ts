import { describe, expect, it } from 'vitest'
import { memoryShares, usableMemory } from './memory.ts'

const gib = 2 ** 30
const mib = 2 ** 20

describe('usableMemory(constrained, total)', () => {
  it.each([
    ['the limit of the container', 768 * mib, 24 * gib, 768 * mib],
    ['the machine where the limit is higher', 64 * gib, 24 * gib, 24 * gib],
    ['the machine where cgroup v1 says "no limit"', 18446744073709552000, 24 * gib, 24 * gib],
    ['the machine where nothing is known of a limit', 0, 24 * gib, 24 * gib],
  ])('is %s', (_, constrained, total, expected) => {
    expect(usableMemory(constrained, total)).toBe(expected)
  })
})

describe('memoryShares(usable)', () => {
  it.each([
    [768 * mib, 384 * mib, 192 * mib],
    [1536 * mib, 768 * mib, 384 * mib],
    [16 * gib, 8 * gib, Math.floor(6.4 * gib)],
    [64 * gib, 32 * gib, 8 * gib],
  ])('of %d bytes', (usable, duckdb, clickhouse) => {
    expect(memoryShares(usable)).toEqual({ duckdb, clickhouse })
  })

  it.each([512 * mib, 4 * gib, 8 * gib])('leaves a tenth of %d to all else', (usable) => {
    const { duckdb, clickhouse } = memoryShares(usable)

    expect(duckdb + clickhouse).toBeLessThanOrEqual(usable * 0.9)
  })
})
