/** Messages that are nearly events: each of them lands once, in bronze or among the rejected, whatever it holds. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DeltaTable } from '../../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { createMemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { MemoryStore } from '../../lib/storage/store.memory.ts'
import { seededRandom } from '../producer/random.ts'
import { land } from './landing.ts'

type Random = (below: number) => number

const odd: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  12.7,
  1e300,
  '',
  ' ',
  '\uFEFF',
  '\ud800',
  '\0',
  'click',
  '7',
  '9223372036854775808',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59.9999999+14:00',
  '2026-02-30T00:00:00Z',
  '2026-11-20T24:00:00Z',
  'infinity',
  [],
  {},
  { a: [{ b: null }] },
  'x'.repeat(5_000),
]

const brackets = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

export function describeMessages({ messages }: { readonly messages: number }): void {
  const seed = Number(process.env['LAKE_FUZZ_SEED'] ?? Date.now() % 1_000_000_007)
  let duckdb: DuckDb
  beforeAll(async () => {
    duckdb = await openDuckDb({ threads: 2 })
  })
  afterAll(() => duckdb[Symbol.dispose]())

  const valuesOf = async (table: DeltaTable, expression: string): Promise<readonly string[]> =>
    await duckdb.use(async (session) => {
      const select = await table.scan(session, await table.snapshot())
      const rows = await session.rows(`select ${expression} as value from (${select})`)
      return rows.map(({ value }) => String(value))
    })

  describe(`land(…) of random messages, seed ${seed} (LAKE_FUZZ_SEED)`, () => {
    it(`lands each of ${messages} once, in bronze or among the rejected with its bytes`, async () => {
      const random = seededRandom(seed).below
      const log = createMemoryEventLog({ topic: 'user-events' })
      await using events = await MemoryStore.open()
      await using rejected = await MemoryStore.open()
      const tables = {
        events: new DeltaTable({ store: events, duckdb }),
        rejected: new DeltaTable({ store: rejected, duckdb }),
      }
      const sent = Array.from({ length: messages }, () => messageOf(random))
      await log.append(sent.map((value, index) => ({ key: Buffer.from(`u${index % 7}`), value })))

      await land({ log, tables, duckdb, triggerMs: 1_000, maxRows: 1_000, drain: true })

      const place = "kafka_partition || '/' || kafka_offset"
      const landed = await valuesOf(tables.events, place)
      const refused = await valuesOf(tables.rejected, place)
      const inLog = (await log.partitions()).flatMap(({ partition, end }) =>
        Array.from({ length: Number(end) }, (_, offset) => `${partition}/${offset}`),
      )
      expect([...landed, ...refused].toSorted()).toEqual(inLog.toSorted())
      expect(landed.length).toBeGreaterThan(0)
      expect(refused.length).toBeGreaterThan(0)
      const known = new Set(sent.map((value) => value?.toString('hex') ?? 'null'))
      const raw = await valuesOf(tables.rejected, 'lower(hex(raw))')
      expect(raw.filter((bytes) => !known.has(bytes))).toEqual([])
    })
  })
}

function messageOf(random: Random): Buffer | null {
  const event: Record<string, unknown> = {
    event_id: `e${random(1_000)}`,
    user_id: random(100),
    event_type: 'click',
    page: '/home',
    timestamp: '2026-11-20T10:00:00Z',
    source: 'web',
  }
  const names = [...Object.keys(event), '__proto__', 'Event_Id', 'more']
  for (let drift = random(3); drift > 0; drift--) {
    const name = names[random(names.length)] ?? 'more'
    const value = odd[random(odd.length)]
    if (random(4) === 0) delete event[name]
    else Object.defineProperty(event, name, { value, enumerable: true, configurable: true, writable: true })
  }
  const text = JSON.stringify(event)
  const deep = text.replace('{', `{"event_id":${brackets(random(600))},`)
  switch (random(10)) {
    case 0:
      return damaged(Buffer.from(text), random)
    case 1:
      return Buffer.from(deep.replace('"user_id":', '"user_id":1e999,"u":'))
    case 2:
      return (
        [null, Buffer.alloc(0), Buffer.from(text, 'utf16le'), Buffer.from(brackets(5_000))][random(4)] ?? null
      )
    default:
      return Buffer.from(text)
  }
}

/** Some bytes changed, doubled or cut off. */
function damaged(bytes: Buffer, random: Random): Buffer {
  const at = random(bytes.length)
  const changed = Buffer.from(bytes)
  switch (random(3)) {
    case 0:
      changed[at] = random(256)
      return changed
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes])
    default:
      return bytes.subarray(0, at)
  }
}
