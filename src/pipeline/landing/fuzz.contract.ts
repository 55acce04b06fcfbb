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

const drifting = 400

/** Half a surrogate pair is no text: the whole message is rejected for it. */
const whole = odd.filter((value) => value !== '\ud800')

/** Names that a producer may add: like those that there are, and like those of the language. */
const added = [
  'session',
  'Event_Id',
  'EVENT_ID',
  'user_id ',
  'user.id',
  '$.page',
  'timestamp_ms',
  '__proto__',
  '',
]
/** Values that are none of the kind that any field has. */
const wrong: readonly unknown[] = [null, true, 12.7, [], ['web'], {}, { user_id: 7 }, { page: '/home' }]

/** @returns The message, and its row as `fields` says it; none if a field has changed its kind, or its name. */
function driftingEvent(n: number, random: Random): { readonly text: string; readonly row?: string } {
  const event = [
    ['event_id', `d${n}`],
    ['user_id', 1 + random(1_000)],
    ['event_type', 'click'],
    ['page', `/p${random(9)}`],
    ['timestamp', '2026-11-20T10:00:00Z'],
    ['source', 'mobile'],
  ] satisfies [string, unknown][]
  const [id, user, type, page, , source] = event.map(([, value]) => value)
  const row = [id, user, type, page, '2026-11-20 10:00:00+00', source].join(' ')
  const fields: [string, unknown][] = [...event]
  for (let more = random(4); more > 0; more--) {
    const name = added[random(added.length)] ?? 'session'
    fields.splice(random(fields.length + 1), 0, [name, whole[random(whole.length)]])
  }
  const isKept = random(2) === 0
  if (!isKept) {
    const changed = event[random(event.length)]?.[0]
    const at = fields.findIndex(([name]) => name === changed)
    const value = wrong[random(wrong.length)]
    fields[at] = random(3) === 0 ? [`${changed}_v2`, fields[at]?.[1]] : [String(changed), value]
  }
  const pairs = fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  return { text: `{${pairs.join(',')}}`, ...(isKept && { row }) }
}

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

    it('takes no field that it does not know for one that it does, and no value of another kind', async () => {
      const random = seededRandom(seed).below
      const log = createMemoryEventLog({ topic: 'user-events' })
      await using events = await MemoryStore.open()
      await using rejected = await MemoryStore.open()
      const tables = {
        events: new DeltaTable({ store: events, duckdb }),
        rejected: new DeltaTable({ store: rejected, duckdb }),
      }
      const sent = Array.from({ length: drifting }, (_, n) => driftingEvent(n, random))
      await log.append(sent.map(({ text }) => ({ key: null, value: Buffer.from(text) })))

      await land({ log, tables, duckdb, triggerMs: 1_000, maxRows: 100, drain: true })

      const sixFields = `event_id || ' ' || user_id || ' ' || event_type || ' ' || page || ' ' || "timestamp"::varchar || ' ' || source`
      expect((await valuesOf(tables.events, sixFields)).toSorted()).toEqual(
        sent.flatMap(({ row }) => row ?? []).toSorted(),
      )
      expect((await valuesOf(tables.rejected, 'decode(raw)')).toSorted()).toEqual(
        sent.flatMap(({ text, row }) => (row === undefined ? [text] : [])).toSorted(),
      )
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
