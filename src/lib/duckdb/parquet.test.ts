import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { DuckDbSession, openDuckDb } from './duckdb.ts'
import { type WriteParquetOptions, writeParquet } from './parquet.ts'
import type { Row } from './values.ts'

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
  it.each([
    'straße-ü',
    '日本',
    'ends in a blank ',
    'slash\\',
    'dot.',
    'plain',
  ])('writes below a folder named %j, and nowhere else', async (folder) => {
    using duckdb = await openDuckDb()
    using session = await duckdb.connect()
    const options: readonly Partial<WriteParquetOptions>[] = [
      {},
      { partitionBy: ['p'] },
      { targetFileBytes: 100_000 },
    ]
    const written = []
    for (const each of options) {
      const select = `select i as n, if(i % 2 = 0, 'é', 'a/b') as p from range(4) r(i)`
      written.push(...(await writeParquet(session, select, { directory: join(directory, folder), ...each })))
    }

    expect(await readdir(directory)).toEqual([folder])
    expect(written.map(({ key }) => join(folder, key)).sort()).toEqual([...(await files())].sort())
  })

  it('takes away and refuses what the engine says that it wrote elsewhere', async () => {
    using duckdb = await openDuckDb()
    using plain = await duckdb.connect()
    /** An engine that writes beside the folder it was given. */
    class Straying extends DuckDbSession {
      override async rows(sql: string): Promise<readonly Row[]> {
        return super.rows(sql.replace(`${directory}/asked/.`, `${directory}/other`))
      }
    }
    const session = new Straying(plain.connection)
    const write = writeParquet(session, `select 1 as n, 'a' as p`, {
      directory: join(directory, 'asked'),
      partitionBy: ['p'],
    })

    await expect(write).rejects.toSatisfy(
      (error) => isLakeError(error, 'SOURCE_FAILED') && error.message.includes(`${directory}/other/p=a`),
    )
    expect(await files()).toEqual([])
  })
})
