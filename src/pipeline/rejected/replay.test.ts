import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isLakeError } from '../../lib/base/errors.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import type { EventLog } from '../../lib/eventlog/eventlog.ts'
import type { Fix } from './fix-script.ts'
import { openRejectedLake, type RejectedLake } from './replay.fixture.ts'
import { replayHeader } from './replay-header.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const event = (id: string, overrides: object = {}): string =>
  JSON.stringify({
    event_id: id,
    user_id: 7,
    event_type: 'click',
    page: '/home',
    timestamp: '2026-11-20T10:00:00Z',
    source: 'web',
    ...overrides,
  })

/** An event that lacks its end. */
const torn = (id: string): string => event(id).slice(0, -1)
const close: Fix = ({ text }) => (text === null ? undefined : `${text}}`)

/** What each message of the log says it is a replay of. */
async function replaysIn(lake: RejectedLake): Promise<readonly string[]> {
  return (await lake.messages()).flatMap(({ headers }) =>
    headers.flatMap(({ key, value }) => (key === replayHeader ? [String(value)] : [])),
  )
}

async function idsIn(lake: RejectedLake): Promise<readonly string[]> {
  return (await lake.messages())
    .map(({ value }) => /"event_id":"(?<id>[^"]*)".*\}$/.exec(String(value))?.groups?.['id'] ?? '')
    .filter((id) => id !== '')
    .sort()
}

describe('replayLetters(context, request)', () => {
  it('sends each message repaired, with its key and headers, and records where it is now', async () => {
    await using lake = await openRejectedLake(duckdb)
    await lake.send(
      event('whole'),
      {
        key: Buffer.from('7'),
        value: Buffer.from(torn('a')),
        headers: [{ key: 'h', value: Buffer.from('1') }],
      },
      { key: null, value: Buffer.from(torn('b')) },
    )
    await lake.land()

    const report = await lake.replay({ fix: close, filter: { reason: 'json_invalid' } })

    expect(report).toMatchObject({ sent: [{}, {}], refused: [], left: 0, isLimited: false })
    const [first, second] = report.sent
    const [a, b] = [first, second].map(async (arrival) => {
      if (arrival === undefined) throw new Error('Expected two messages')
      return (await lake.messages()).find(
        (message) => message.partition === arrival.to.partition && message.offset === arrival.to.offset,
      )
    })
    const messages = [await a, await b]
    expect(messages.map((message) => String(message?.value)).sort()).toEqual([event('a'), event('b')])
    expect(messages.map((message) => String(message?.key))).toEqual(['7', '7'])
    expect(messages.flatMap((message) => message?.headers ?? [])).toContainEqual({
      key: 'h',
      value: Buffer.from('1'),
    })
    expect(await lake.store.replays.show(report.replay ?? 0)).toMatchObject({
      actor: 'ann',
      note: 'why',
      content: { reason: 'json_invalid', fix: 'fix.ts', fixHash: 'h' },
      outcome: { sent: 2, refused: 0, left: 0 },
    })
  })

  it('replays nothing a second time', async () => {
    await using lake = await openRejectedLake(duckdb)
    await lake.send(torn('a'), torn('b'))
    await lake.land()
    await lake.replay({ fix: close })

    await lake.land()
    const again = await lake.replay({ fix: close })

    expect(again).toMatchObject({ replay: undefined, sent: [], refused: [] })
    expect(await idsIn(lake)).toEqual(['a', 'b'])
  })

  it.each<[string, (log: EventLog) => Pick<EventLog, 'append'>, number]>([
    ['before it was sent', () => ({ append: () => Promise.reject(new Error('killed')) }), 0],
    [
      'after it was sent, before that was recorded',
      (log) => ({
        append: async (messages) => {
          await log.append(messages)
          throw new Error('killed')
        },
      }),
      2,
    ],
    [
      'when only some of it was sent',
      (log) => ({
        append: async (messages) => {
          await log.append(messages.slice(0, 1))
          throw new Error('killed')
        },
      }),
      1,
    ],
  ])('sends each message once if it dies %s', async (_, failing, arrived) => {
    await using lake = await openRejectedLake(duckdb)
    await lake.send(torn('a'), torn('b'))
    await lake.land()
    const dying: EventLog = Object.assign(Object.create(lake.log) as EventLog, failing(lake.log))
    await expect(lake.replay({ fix: close }, dying)).rejects.toThrow('killed')
    await lake.send(event('between'))

    const report = await lake.replay({ fix: close })

    expect(report.settled).toEqual({ confirmed: arrived, withdrawn: 2 - arrived, doubtful: [] })
    expect(report.sent).toHaveLength(2 - arrived)
    expect(await idsIn(lake)).toEqual(['a', 'b', 'between'])
    const recorded = await lake.store.replays.messages({ topic: 'user-events' })
    expect(recorded.filter(({ to }) => to !== undefined)).toHaveLength(2)
  })

  it('sends nothing on a guess if retention has taken what would tell, until that is accepted', async () => {
    await using lake = await openRejectedLake(duckdb)
    await lake.send(torn('a'))
    await lake.land()
    const dying: EventLog = Object.assign(Object.create(lake.log) as EventLog, {
      append: async () => Promise.reject(new Error('killed')),
    })
    await expect(lake.replay({ fix: close }, dying)).rejects.toThrow('killed')
    await lake.send(event('x'))
    lake.log.expire()

    const doubtful = await lake.replay({ fix: close })
    const accepted = await lake.replay({ fix: close, acceptDoubt: true })

    expect(doubtful).toMatchObject({ sent: [], settled: { doubtful: [{ offset: 0n }] } })
    expect(accepted).toMatchObject({ sent: [{}], settled: { withdrawn: 1, doubtful: [] } })
  })

  it('lets one replay of two at once go on, and each message is sent once', async () => {
    await using lake = await openRejectedLake(duckdb)
    await lake.send(...Array.from({ length: 20 }, (_, n) => torn(`e${String(n).padStart(2, '0')}`)))
    await lake.land()

    const ends = await Promise.allSettled([1, 2, 3].map(() => lake.replay({ fix: close })))

    const refused = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))
    expect(refused.every((reason) => isLakeError(reason, 'RUN_BUSY'))).toBe(true)
    expect(refused.length).toBeLessThan(3)
    await lake.replay({ fix: close })
    expect(new Set(await replaysIn(lake)).size).toBe(20)
    expect(await replaysIn(lake)).toHaveLength(20)
  })

  it('refuses what would be rejected or quarantined again, with the reasons, and sends the others', async () => {
    await using lake = await openRejectedLake(duckdb)
    await lake.send(
      torn('good'),
      Buffer.from([0x7b, 0xff]),
      null,
      '',
      torn('throws'),
      torn('left'),
      '{"user_id":-1}',
    )
    await lake.land()

    const report = await lake.replay({
      fix: ({ text, value, offset }) => {
        if (value === null || text === null) return value === null ? new Uint8Array([0xff]) : undefined
        if (text.includes('throws')) throw new Error(`no fix for ${offset}`)
        if (text.includes('left')) return undefined
        if (text.includes('good')) return Buffer.from(`${text}}`)
        return text === '' ? '' : event('bad', { user_id: -1, event_type: 'dance' })
      },
    })

    expect(report.sent).toHaveLength(1)
    expect(report.left).toBe(2)
    expect(report.refused.map(({ reasons }) => reasons).sort()).toEqual([
      ['fix_failed: no fix for 4'],
      ['user_id_not_positive', 'event_type_unknown'],
      ['utf8_invalid'],
      ['value_empty'],
    ])
    expect(await idsIn(lake)).toEqual(['good'])
  })

  it('sends no more than the limit, the oldest first, and goes on with the next', async () => {
    await using lake = await openRejectedLake(duckdb)
    await lake.send(torn('a'), torn('b'), torn('c'))
    await lake.land()

    const first = await lake.replay({ fix: close, limit: 2 })
    const second = await lake.replay({ fix: close, limit: 2 })

    expect(first).toMatchObject({
      isLimited: true,
      sent: [{ from: { offset: 0n } }, { from: { offset: 1n } }],
    })
    expect(second).toMatchObject({ isLimited: false, sent: [{ from: { offset: 2n } }] })
  })

  it('goes no faster than the rate', async () => {
    await using lake = await openRejectedLake(duckdb)
    await lake.send(...Array.from({ length: 6 }, (_, n) => torn(`e${n}`)))
    await lake.land()
    const waits: number[] = []
    let nowMs = 1_800_000_000_000
    const clock = {
      now: () => nowMs,
      sleep: async (ms: number) => {
        waits.push(ms)
        nowMs += ms
      },
    }
    const { replayLetters } = await import('./replay.ts')

    await replayLetters(
      { ...lake.context, clock },
      {
        filter: {},
        script: { path: 'fix.ts', hash: 'h', fix: close },
        limit: 10,
        perSecond: 2,
        actor: 'ann',
        note: '',
      },
    )

    // Six messages are five spans of half a second.
    expect(waits.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThanOrEqual(2_500)
    expect(await idsIn(lake)).toHaveLength(6)
  })

  it('stops between two messages when it is told to, and the next one settles and goes on', async () => {
    await using lake = await openRejectedLake(duckdb)
    await lake.send(...Array.from({ length: 10 }, (_, n) => torn(`e${n}`)))
    await lake.land()
    const stop = new AbortController()

    const stopped = lake.replay(
      { fix: close, perSecond: 20, onProgress: (sent) => sent >= 3 && stop.abort(new Error('stop')) },
      lake.log,
      stop.signal,
    )
    await expect(stopped).rejects.toThrow('stop')
    const report = await lake.replay({ fix: close })

    expect(report.settled.confirmed).toBeGreaterThanOrEqual(3)
    expect(report.settled.confirmed + report.sent.length).toBe(10)
    expect(await replaysIn(lake)).toHaveLength(10)
  })

  it('sends what the rules take by now without a script, and a replay that was rejected again once more', async () => {
    await using lake = await openRejectedLake(duckdb)
    await lake.send(torn('a'))
    await lake.land()
    // Another writer's stricter rules have rejected the replay: here it is torn on its way.
    const tearing: EventLog = Object.assign(Object.create(lake.log) as EventLog, {
      append: (messages: Parameters<EventLog['append']>[0]) =>
        lake.log.append(messages.map((message) => ({ ...message, value: Buffer.from(torn('a')) }))),
    })
    await lake.replay({ fix: close }, tearing)
    await lake.land()

    const asTheyAre = await lake.replay()
    const again = await lake.replay({ fix: close })

    expect(asTheyAre).toMatchObject({ sent: [], refused: [{ reasons: ['json_invalid'] }] })
    expect(again.sent).toHaveLength(1)
    expect(await idsIn(lake)).toEqual(['a'])
    const last = (await lake.messages()).at(-1)
    expect(last?.headers.filter(({ key }) => key === replayHeader)).toHaveLength(1)
  })
})
