import { describe, expect, it } from 'vitest'
import { duckDbType } from '../../../lib/delta/index.ts'
import { openDuckDb } from '../../../lib/duckdb/duckdb.ts'
import { lakeTables } from '../../model/tables.ts'
import { digestsOfDays } from './silver-digests.ts'

const day = '2026-11-20'
const columns = lakeTables['bronze/events'].schema.fields

/** An event by its offset; `id` is its event, a page that is empty makes it not valid. */
const row = (offset: number, id: string, page = '/'): string => {
  const values: Readonly<Record<string, string>> = {
    event_id: `'${id}'`,
    user_id: '1',
    event_type: `'click'`,
    page: `'${page}'`,
    timestamp: `timestamptz '${day} 10:00:00+00'`,
    source: `'web'`,
    event_date: `date '${day}'`,
    kafka_topic: `'t'`,
    kafka_partition: '0',
    kafka_offset: String(offset),
    kafka_timestamp: `timestamptz '${day} 10:00:01+00'`,
    ingested_at: `timestamptz '${day} 10:00:02+00'`,
  }
  return `(${columns.map(({ name }) => values[name] ?? 'null').join(', ')})`
}

const bronze = [row(1, 'a'), row(2, 'a'), row(3, 'b'), row(4, 'c', ''), row(5, 'd')]
const silver = [row(1, 'a'), row(3, 'b'), row(5, 'd')]
const quarantine = [row(4, 'c', '')]

async function digestsOf(tables: {
  readonly bronze?: readonly string[]
  readonly silver?: readonly string[]
  readonly quarantine?: readonly string[]
}): ReturnType<typeof digestsOfDays> {
  using duckdb = await openDuckDb({ threads: 1 })
  using session = await duckdb.connect()
  for (const [name, rows] of Object.entries({ bronze, silver, quarantine, ...tables })) {
    const typed = columns.map(({ name, type }) => `cast("${name}" as ${duckDbType(type)}) as "${name}"`)
    const names = columns.map(({ name }) => `"${name}"`)
    await session.run(
      `create temporary table audited_${name} as
       select ${typed.join(', ')} from (values ${rows.join(', ')}) as rows(${names.join(', ')})`,
    )
  }
  return await digestsOfDays(session, [day], { earlier: 'kafka_offset < 3' })
}

describe('digestsOfDays(session, days, { earlier })', () => {
  it('balances where silver has the first delivery of each valid event, and quarantine the rest', async () => {
    const digests = (await digestsOf({})).get(day)

    expect(digests).toMatchObject({ made: 4n, duplicates: 1n, isBalanced: true })
    expect(digests?.bronze.rows).toBe(5n)
    expect(digests?.earlier.rows).toBe(2n)
    expect(digests?.earlier.digest).not.toBe(digests?.bronze.digest)
  })

  it('has digests that do not depend on the order of rows', async () => {
    expect(await digestsOf({ bronze: [...bronze].reverse(), silver: [...silver].reverse() })).toEqual(
      await digestsOf({}),
    )
  })

  it.each([
    ['a later delivery in the place of the first', { silver: [row(2, 'a'), row(3, 'b'), row(5, 'd')] }],
    ['both deliveries in silver', { silver: [row(2, 'a'), ...silver] }],
    ['an event that is not in silver', { silver: silver.slice(1) }],
    ['one event twice in silver, another not at all', { silver: [row(1, 'a'), row(3, 'b'), row(3, 'b')] }],
    ['values that two rows have exchanged', { silver: [row(1, 'b'), row(3, 'a'), row(5, 'd')] }],
    ['a valid row in quarantine', { silver: silver.slice(1), quarantine: [row(1, 'a'), ...quarantine] }],
    ['another value in quarantine', { quarantine: [row(4, 'e', '')] }],
    [
      'a row that bronze and quarantine have twice',
      { bronze: [...bronze, row(4, 'c', '')], quarantine: [row(4, 'c', ''), row(4, 'c', '')] },
    ],
  ])('does not balance for %s', async (_, tables) => {
    expect((await digestsOf(tables)).get(day)?.isBalanced).toBe(false)
  })
})
