import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import { createMemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { type Engines, openEngines } from '../serving/engines.fixture.ts'
import { openSmallPlatform, type SmallPlatform } from './books.fixture.ts'
import { type Trace, traceMessage } from './trace.ts'

const event = (id: string, more: object = {}): string =>
  JSON.stringify({
    event_id: id,
    user_id: 7,
    event_type: 'purchase',
    page: '/cart',
    timestamp: '2026-11-20T10:00:10Z',
    source: 'web',
    ...more,
  })

/** By their offset: the log has one partition. */
const messages = [
  event('a'),
  event('b', { timestamp: '2026-11-20T10:30:00Z', event_type: 'click' }),
  event('c', { timestamp: '2026-11-20T10:00:20Z' }),
  event('a'),
  event('d', { user_id: -1 }),
  '{"torn":',
]

let duckdb: DuckDb
let engines: Engines
let clickhouse: ClickHouse
let platform: SmallPlatform
beforeAll(async () => {
  engines = await openEngines()
  ;({ duckdb, clickhouse } = engines)
  platform = await openSmallPlatform(duckdb, clickhouse, {
    log: createMemoryEventLog({ topic: 'user-events', partitions: 1 }),
  })
  await platform.send(messages)
  await platform.land()
  await platform.realtime()
  await platform.batch()
  await platform.send([event('e'), event('f')])
  await platform.land()
  await platform.send([event('g')])
  platform.log.mark()
})
afterAll(async () => {
  await platform[Symbol.asyncDispose]()
  await engines[Symbol.asyncDispose]()
})

const trace = (offset: bigint): Promise<Trace> => traceMessage(platform.context, { partition: 0, offset })
const states = ({ steps }: Trace): readonly string[] => steps.map(({ stage, state }) => `${stage}: ${state}`)

describe('traceMessage(context, place)', () => {
  it.each<[string, bigint, readonly string[]]>([
    [
      'an event that counts',
      0n,
      [
        'log: in the log',
        'bronze: landed',
        'silver: in silver',
        'gold: counts in',
        'gold: counts in',
        'gold: counts in',
        'gold: counts in',
        'serving: the newest load',
        'realtime: counted on time',
      ],
    ],
    [
      'an event that came late',
      2n,
      [
        'log: in the log',
        'bronze: landed',
        'silver: in silver',
        'gold: counts in',
        'gold: counts in',
        'gold: counts in',
        'gold: counts in',
        'serving: the newest load',
        'realtime: counted as late',
      ],
    ],
    [
      'a further delivery',
      3n,
      [
        'log: in the log',
        'bronze: landed',
        'silver: duplicate: an earlier delivery of the event is kept',
        'realtime: counted as late',
      ],
    ],
    [
      'an event that is not valid',
      4n,
      [
        'log: in the log',
        'bronze: landed',
        'silver: in quarantine',
        'realtime: not counted: it is not valid',
      ],
    ],
    ['a message that is no event', 5n, ['log: in the log', 'bronze: rejected']],
    [
      'an event that no batch has read yet',
      6n,
      ['log: in the log', 'bronze: landed', 'silver: not batched yet', 'realtime: not counted yet'],
    ],
    ['a message that is not landed yet', 8n, ['log: in the log', 'bronze: not landed yet']],
    ['an offset that holds no message', 9n, ['log: no message at this offset']],
    ['an offset that is not written yet', 10n, ['log: not written yet', 'bronze: not landed yet']],
  ])('tells the way of %s', async (_, offset, expected) => {
    expect(states(await trace(offset))).toEqual(expected)
  })

  it('names the rows of gold in which an event counts, and the first delivery of a further one', async () => {
    const { steps } = await trace(1n)
    const gold = steps.filter(({ stage }) => stage === 'gold').map(({ details }) => details['table'])
    expect(gold).toEqual([
      'gold/daily_active_users',
      'gold/conversion_rate_daily',
      'gold/events_per_source_daily',
    ])

    const further = (await trace(3n)).steps.find(({ stage }) => stage === 'silver')
    expect(further?.details['kept']).toEqual({ partition: 0, offset: 0n })
    const refused = (await trace(4n)).steps.find(({ stage }) => stage === 'silver')
    expect(refused?.details['reasons']).toEqual(['user_id_not_positive'])
    const [, rejected] = (await trace(5n)).steps
    expect(rejected?.details['reasons']).toEqual(['json_invalid'])
  })

  it('says when each thing happened, in order', async () => {
    const { steps } = await trace(0n)
    const times = steps.filter(({ stage }) => stage !== 'realtime').map(({ at }) => Date.parse(at ?? ''))

    expect(times).toHaveLength(8)
    expect(times.slice(0, 3)).toEqual(times.slice(0, 3).toSorted())
    expect(Math.min(...times.slice(3))).toBeGreaterThanOrEqual(times[2] ?? 0)
  })
})
