import { afterAll, beforeAll, expect, it } from 'vitest'
import { DeltaTable } from '../../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { createMemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { MemoryStore } from '../../lib/storage/store.memory.ts'
import { land } from './landing.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const event = (id: string, more: object = {}): string =>
  JSON.stringify({
    event_id: id,
    user_id: 7,
    event_type: 'click',
    page: '/',
    timestamp: '2026-11-20T10:00:00Z',
    source: 'web',
    ...more,
  })

it('keeps unknown fields from when it is asked to, also with two stages at once, and until it is not', async () => {
  await using log = createMemoryEventLog({ topic: 'user-events' })
  await using events = await MemoryStore.open()
  await using rejected = await MemoryStore.open()
  const tables = {
    events: new DeltaTable({ store: events, duckdb }),
    rejected: new DeltaTable({ store: rejected, duckdb }),
  }
  const landed = (rescue: boolean) => land({ log, tables, duckdb, triggerMs: 100, drain: true, rescue })
  const send = (...values: readonly string[]) =>
    log.append(values.map((value) => ({ key: null, value: Buffer.from(value) })))

  await send(event('a', { x: 1 }))
  await landed(false)
  await send(event('b', { x: { y: [1, null] } }), event('c'))
  await Promise.all([landed(true), landed(true)])
  await send(event('d', { x: 1 }))
  await landed(false)

  const rows = await duckdb.use(async (session) => {
    const select = await tables.events.scan(session, await tables.events.snapshot())
    return session.rows(`select event_id, _rescued from (${select}) order by event_id`)
  })
  expect(rows).toEqual([
    { event_id: 'a', _rescued: null },
    { event_id: 'b', _rescued: '{"x":{"y":[1,null]}}' },
    { event_id: 'c', _rescued: null },
    { event_id: 'd', _rescued: null },
  ])
})
