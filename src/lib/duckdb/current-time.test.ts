import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { settleTime } from './current-time.ts'
import { type DuckDb, openDuckDb } from './duckdb.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const settle = (expression: string, columns: readonly string[] = ['day', 'seen']) =>
  duckdb.use((session) => settleTime(session, expression, { columns }))
const constants = (settled: string) => settled.replaceAll(/cast\('[-0-9:.+ ]+' as ([A-Z ]+)\)/g, '<$1>')

describe('settleTime(session, expression)', () => {
  it.each([
    ['day >= current_date - 7', 'day >= <DATE> - 7'],
    [
      "word = 'é😀 now()' and seen < NOW ( ) -- now()",
      "word = 'é😀 now()' and seen < <TIMESTAMP WITH TIME ZONE> -- now()",
    ],
    ['day = today() or day = Current_Date', 'day = <DATE> or day = <DATE>'],
    ['seen < current_timestamp', 'seen < <TIMESTAMP WITH TIME ZONE>'],
    ['seen < localtimestamp', 'seen < <TIMESTAMP>'],
    ["day = date_trunc('month', now())", "day = date_trunc('month', <TIMESTAMP WITH TIME ZONE>)"],
    ['known = 1', 'known = 1'],
    ['random() < 0.5', 'random() < 0.5'],
    ['"current_date" = 1', '"current_date" = 1'],
  ])('makes of %s %s', async (expression, settled) => {
    expect(constants(await settle(expression))).toBe(settled)
  })

  it('takes the name of a column for the column', async () => {
    expect(await settle('current_date = 1', ['Current_Date'])).toBe('current_date = 1')
  })

  it('gives constants that say what DuckDB says', async () => {
    const same = await duckdb.use((session) =>
      session.transaction(async () => {
        const settled = await settleTime(session, 'now()', { columns: [] })
        return await session.row(`select ${settled} = now() as same`)
      }),
    )
    expect(same).toEqual({ same: true })
  })

  it('refuses what is no expression', async () => {
    await expect(settle('now() from x')).rejects.toMatchObject({ code: 'SQL_INVALID' })
  })
})
