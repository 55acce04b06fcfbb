import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { field, structOf } from '../schema/schema.ts'
import { fileRows } from './file-rows.ts'

let duckdb: DuckDb
let folder: string
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 2 })
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-wide-files-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  duckdb[Symbol.dispose]()
})

describe('fileRows(session, path)', () => {
  it('checks the values of two thousand columns within a GB', async () => {
    const peakBytes = (): number => process.resourceUsage().maxRSS * 1024
    const before = peakBytes()
    const wide = structOf(...Array.from({ length: 2_000 }, (_, n) => field(`c${n}`, 'long')))
    const names = wide.fields.map(({ name }) => name)
    const path = join(folder, 'wide.csv')
    await writeFile(path, `${names.join(',')}\n${names.map((_, n) => n).join(',')}\n`)
    await duckdb.use(async (session) => {
      await using rows = await fileRows(session, path, { schema: wide })
      expect(await session.row(rows.select)).toMatchObject({ c0: 0n, c1999: 1999n })
    })

    expect(peakBytes() - before).toBeLessThan(1e9)
  })
})
