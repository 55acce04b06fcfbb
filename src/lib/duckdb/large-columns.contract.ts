/** Columns of large values of different shapes, over a relation `large` whose column `s` is a text of 2 MB. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from './duckdb.ts'

export function describeLargeColumns(columns: readonly string[]): void {
  let duckdb: DuckDb
  beforeAll(async () => {
    duckdb = await openDuckDb({ threads: 1 })
  })
  afterAll(() => duckdb[Symbol.dispose]())

  describe('DuckDbSession.columnChunks(sql), where values are large', () => {
    it.each(columns)('has far fewer rows in a chunk, and every row once, in order: %s', async (column) => {
      // A little more than a chunk may hold.
      const rows = 40
      const sql = `select range as n, ${column} from (select repeat('x', 2000000) as s) as large, range(${rows})`

      const chunks = await duckdb.use(async (session) => {
        const found: (readonly unknown[])[] = []
        for await (const { columns: each } of session.columnChunks(sql)) found.push(each['n'] ?? [])
        return found
      })

      expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThan(rows)
      expect(chunks.flat()).toEqual(Array.from({ length: rows }, (_, n) => BigInt(n)))
    })
  })
}
