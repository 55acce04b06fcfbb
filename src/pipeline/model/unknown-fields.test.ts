import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { offset } from '../../lib/eventlog/eventlog.ts'
import { parsedMessages } from './event-rules.ts'
import { createMessagesTable } from './messages.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const known = {
  event_id: 'e',
  user_id: 7,
  event_type: 'click',
  page: '/home',
  timestamp: '2026-11-20T10:00:00Z',
  source: 'web',
}
const compact = JSON.stringify(known)

async function unknownOf(value: string): Promise<unknown> {
  return duckdb.use(async (session) => {
    await createMessagesTable(session, 'messages', [
      {
        partition: 0,
        offset: offset(0n),
        timestampMs: 0,
        value: Buffer.from(value),
      },
    ])
    const row = await session.row(parsedMessages('messages', { hasUnknownFields: true }))
    return row['unknown_fields']
  })
}

describe('unknown_fields', () => {
  it.each<[string, string]>([
    ['as short as it can be', compact],
    ['with blanks', JSON.stringify(known, null, 1)],
    ['in another order', JSON.stringify(Object.fromEntries(Object.entries(known).reverse()))],
    ['with escapes', compact.replace('/home', '\\u002fh\\u00f6me')],
    ['with letters of several bytes', compact.replace('/home', '/höme 😀')],
    ['with a whole number that is written as a float', compact.replace('7', '7.0')],
    ['with a doubled key', compact.replace('{', '{"page":"/first",')],
    ['that is no event, and has others', compact.replace('7', 'null').replace('{', '{"x":1,')],
    ['that is no JSON', '{"x":1'],
  ])('are none of an event %s', async (_, value) => {
    expect(await unknownOf(value)).toBeNull()
  })

  it.each<[string, string, string]>([
    ['the shortest', compact.replace('{', '{"":0,'), '{"":0}'],
    ['at the end, with blanks', `${compact.slice(0, -1)}, "x" : [1, {"y": null}] }`, '{"x":[1,{"y":null}]}'],
    ['null', compact.replace('{', '{"x":null,'), '{"x":null}'],
    [
      'in a text that is as long as escapes',
      compact.replace('/home', '\\u002f').replace('{', '{"x":1,'),
      '{"x":1}',
    ],
    [
      'a number beyond 64 bits',
      compact.replace('{', '{"x":123456789012345678901234567890,'),
      '{"x":123456789012345678901234567890}',
    ],
    ['with the case of a known one', compact.replace('{', '{"Page":"/",'), '{"Page":"/"}'],
  ])('are found: %s', async (_, value, unknown) => {
    expect(await unknownOf(value)).toBe(unknown)
  })
})
