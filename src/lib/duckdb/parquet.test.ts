import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDuckDb } from './duckdb.ts'
import { type WriteParquetOptions, writeParquet } from './parquet.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'parquet-'))
})

afterEach(async () => {
  await rm(directory, { recursive: true })
})

async function files(): Promise<readonly string[]> {
  const keys = await readdir(directory, { recursive: true })
  return keys.filter((key) => key.endsWith('.parquet'))
}

describe('writeParquet(session, select, options)', () => {
  it.each<readonly [string, Partial<WriteParquetOptions>]>([
    ['in one file', {}],
    ['in a file for each partition', { partitionBy: ['p'] }],
    ['in files of a size', { targetFileBytes: 100_000 }],
  ])('leaves nothing of a write %s that fails, and what is there alone', async (_name, options) => {
    using duckdb = await openDuckDb()
    using session = await duckdb.connect()
    const rows = (refused: number): string =>
      `select i % 3 as p, if(i = ${refused}, error('no ' || i), i) as n from range(400000) as r(i)`
    const write = (select: string) => writeParquet(session, select, { directory, ...options })
    const written = await write(rows(-1))
    const before = await files()

    await expect(write(rows(0))).rejects.toThrow(/no 0/)
    await expect(write(rows(399_999))).rejects.toThrow(/no 399999/)

    expect(before).toHaveLength(written.length)
    expect(await files()).toEqual(before)
  })
})
