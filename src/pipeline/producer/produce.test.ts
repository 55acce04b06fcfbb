import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type Clock, systemClock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { silentLogger } from '../../lib/base/log.ts'
import { createMemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import type { NewMessage } from '../../lib/eventlog/eventlog.ts'
import { eventTypes, sources } from '../model/event.ts'
import type { LedgerFile } from './ledger.ts'
import { type ProduceOptions, produce, produceLines } from './produce.ts'
import type { MessageSink } from './sink.ts'

const untilMs = Date.parse('2024-11-20T00:00:00Z')
let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lakeshore-produce-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

interface RecordingSink extends MessageSink {
  readonly messages: NewMessage[]
  readonly appends: number[]
}

/** Takes messages, and fails at the appends that are named, from 1. */
function recordingSink(failing: readonly number[] = [], error = unavailable()): RecordingSink {
  const messages: NewMessage[] = []
  const appends: number[] = []
  return {
    messages,
    appends,
    async append(batch) {
      appends.push(batch.length)
      if (failing.includes(appends.length)) throw error
      messages.push(...batch)
    },
  }
}

/** Keys and values as one text: thousands of buffers are slow to compare one by one. */
function bytesOf({ messages }: RecordingSink): string {
  const hex = (bytes: Uint8Array | null): string =>
    bytes === null ? 'null' : Buffer.from(bytes).toString('hex')
  return messages.map(({ key, value }) => `${hex(key)} ${hex(value)}`).join('\n')
}

const unavailable = () => new LakeError('EVENTLOG_UNAVAILABLE', 'nobody listens')

/** A clock on which every sleep ends at once, having taken its time and a little more. */
function leapingClock(startMs = Date.parse('2026-11-20T10:00:00Z')): Clock & { nowMs: number } {
  return {
    nowMs: startMs,
    now() {
      return this.nowMs
    },
    async sleep(ms, { signal } = {}) {
      signal?.throwIfAborted()
      this.nowMs += ms + 3
    },
  }
}

const history = (count: number): ProduceOptions => ({
  seed: 7,
  plan: { kind: 'history', count, days: 3, untilMs },
  late: 0.03,
  duplicate: 0.02,
  malformed: 0.02,
})

const eventSchema = z.object({
  event_id: z.string().min(1),
  user_id: z.number().int().positive(),
  event_type: z.enum(eventTypes),
  page: z.string().min(1),
  timestamp: z.iso.datetime().startsWith('2024'),
  source: z.enum(sources),
})

/** What the bytes say, judged by another parser than the producer's knowledge. */
function recount(messages: readonly NewMessage[]): LedgerFile {
  const seen = new Set<string>()
  const counts = new Map<string, LedgerFile['counts'][number]>()
  const users = new Map<string, Set<number>>()
  const purchasers = new Map<string, Set<number>>()
  let malformed = 0
  let duplicates = 0
  for (const { value } of messages) {
    const event = parseEvent(value)
    if (!event) {
      malformed++
      continue
    }
    const date = event.timestamp.slice(0, 10)
    const isAgain = seen.has(`${event.event_id} ${date}`)
    seen.add(`${event.event_id} ${date}`)
    if (isAgain) duplicates++
    const minute = `${event.timestamp.slice(0, 16)}:00Z`
    const { event_type, source, page } = event
    const key = [minute, event_type, source, page].join(' ')
    const before = counts.get(key)
    counts.set(key, {
      minute,
      event_type,
      source,
      page,
      events: (before?.events ?? 0) + (isAgain ? 0 : 1),
      deliveries: (before?.deliveries ?? 0) + 1,
    })
    users.set(date, (users.get(date) ?? new Set()).add(event.user_id))
    if (event_type === 'purchase')
      purchasers.set(date, (purchasers.get(date) ?? new Set()).add(event.user_id))
  }
  return {
    sent: messages.length,
    valid: seen.size,
    duplicates,
    malformed,
    counts: [...counts.values()],
    days: [...users].map(([event_date, set]) => ({
      event_date,
      users: set.size,
      purchasers: purchasers.get(event_date)?.size ?? 0,
    })),
  }
}

function parseEvent(value: Uint8Array | null): z.infer<typeof eventSchema> | undefined {
  try {
    return eventSchema.parse(
      JSON.parse(
        new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value ?? new Uint8Array()),
      ),
    )
  } catch {
    return undefined
  }
}

const readLedger = async (path: string): Promise<LedgerFile> => JSON.parse(await readFile(path, 'utf8'))

const sorted = (ledger: LedgerFile): LedgerFile => ({
  ...ledger,
  counts: [...ledger.counts].sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
  days: [...ledger.days].sort((a, b) => a.event_date.localeCompare(b.event_date)),
})

describe('produce(sink, options, io)', () => {
  it('sends the history asked for, in batches, the same bytes for the same seed', async () => {
    const first = recordingSink()
    const second = recordingSink()

    const report = await produce(first, history(2_500))
    await produce(second, history(2_500))

    expect(report).toMatchObject({ sent: 2_500, uncertain: 0, end: 'complete', seed: 7 })
    expect(first.appends).toEqual([1_000, 1_000, 500])
    expect(bytesOf(second)).toBe(bytesOf(first))
  })

  it('sends nothing where the ledger could not be written after the last message', async () => {
    const sink = recordingSink()

    await expect(produce(sink, { ...history(100), ledgerPath: directory })).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
      message: expect.stringContaining(directory),
    })
    expect(sink.messages).toEqual([])
  })

  it('writes a ledger that an independent count of the bytes confirms', async () => {
    const sink = recordingSink()
    const ledgerPath = join(directory, 'ledger.json')

    await produce(sink, { ...history(20_000), ledgerPath })

    const ledger = await readLedger(ledgerPath)
    expect(sorted(ledger)).toEqual(sorted(recount(sink.messages)))
    expect(ledger.sent).toBe(ledger.valid + ledger.duplicates + ledger.malformed)
    expect(ledger.sent).toBe(20_000)
  })

  it('sends live events at their times, and ends at the count', async () => {
    const sink = recordingSink()
    const clock = leapingClock()
    const startMs = clock.nowMs

    await produce(sink, { seed: 1, plan: { kind: 'live', eventsPerSecond: 5, count: 51 } }, { clock })

    expect(sink.messages).toHaveLength(51)
    expect(clock.nowMs - startMs).toBeGreaterThanOrEqual(10_000)
    expect(clock.nowMs - startMs).toBeLessThan(10_200)
    const last = JSON.parse(Buffer.from(sink.messages.at(-1)?.value ?? []).toString())
    expect(Date.parse(last.timestamp)).toBe(clock.nowMs)
  })

  it.each([1, 5, 1_000, 20_000])('holds a rate of %d events a second within 2 %', async (eventsPerSecond) => {
    const sink = recordingSink()
    const clock = leapingClock()
    const startMs = clock.nowMs
    const count = Math.min(eventsPerSecond * 60, 40_000)

    await produce(sink, { seed: 1, plan: { kind: 'live', eventsPerSecond, count } }, { clock })

    const seconds = (clock.nowMs - startMs) / 1_000
    expect(Math.abs((count - 1) / seconds / eventsPerSecond - 1)).toBeLessThan(0.02)
  })

  it('leaves out the time of a long hold-up instead of making up for it by a burst', async () => {
    const clock = leapingClock()
    const sizes: number[] = []
    const sink: MessageSink = {
      async append(messages) {
        sizes.push(messages.length)
        if (sizes.length === 10) clock.nowMs += 600_000
      },
    }

    await produce(sink, { seed: 1, plan: { kind: 'live', eventsPerSecond: 5, count: 50 } }, { clock })

    expect(Math.max(...sizes)).toBeLessThanOrEqual(2)
  })

  it('sends again what was not acknowledged, in order, and counts it once', async () => {
    const sink = recordingSink([2, 3])
    const calm = recordingSink()
    const warnings: string[] = []
    const logger = { ...silentLogger, warn: (_: object, message: string) => warnings.push(message) }
    const ledgerPath = join(directory, 'again.json')

    const report = await produce(sink, { ...history(3_000), ledgerPath }, { clock: leapingClock(), logger })
    await produce(calm, history(3_000))

    expect(bytesOf(sink)).toBe(bytesOf(calm))
    expect(report).toMatchObject({ sent: 3_000, uncertain: 1_000, end: 'complete' })
    expect(warnings).toHaveLength(2)
    expect(warnings[0]).toContain('nobody listens')
    expect((await readLedger(ledgerPath)).sent).toBe(3_000)
  })

  it('fails for good with what the log says for good, the ledger holding what was sent before', async () => {
    const sink = recordingSink([2], new LakeError('EVENTLOG_REFUSED', 'no right to write'))
    const ledgerPath = join(directory, 'refused.json')

    await expect(produce(sink, { ...history(3_000), ledgerPath })).rejects.toMatchObject({
      code: 'EVENTLOG_REFUSED',
    })

    expect((await readLedger(ledgerPath)).sent).toBe(1_000)
  })

  it('stops when it is told to, the ledger telling what was acknowledged', async () => {
    const stop = new AbortController()
    const messages: NewMessage[] = []
    const sink: MessageSink = {
      async append(batch) {
        messages.push(...batch)
        if (messages.length >= 2_000) stop.abort(new Error('interrupted'))
      },
    }
    const ledgerPath = join(directory, 'stopped.json')

    const report = await produce(sink, { ...history(10_000), ledgerPath }, { signal: stop.signal })

    expect(report).toMatchObject({ sent: 2_000, end: 'stopped' })
    expect(sorted(await readLedger(ledgerPath))).toEqual(sorted(recount(messages)))
  })

  it('stops while it waits for a log that is away', async () => {
    const stop = new AbortController()
    const sink: MessageSink = {
      async append() {
        setTimeout(() => stop.abort(new Error('interrupted')), 20)
        throw unavailable()
      },
    }

    const report = await produce(sink, history(10), { signal: stop.signal, clock: systemClock })

    expect(report).toMatchObject({ sent: 0, uncertain: 10, end: 'stopped' })
  })

  it.each([
    [{ late: 1.5 }, 'late: expected a fraction in [0, 1], got 1.5'],
    [{ late: 0.6, duplicate: 0.6 }, 'expected 1 at most together'],
    [{ plan: { kind: 'live', eventsPerSecond: 0 } }, 'events per second: expected more than 0, got 0'],
    [{ plan: { kind: 'history', count: 1, days: 1, untilMs: 4e13 } }, 'expected a time that has come'],
    [{ plan: { kind: 'history', count: 1, days: 0.5, untilMs } }, 'expected whole days'],
  ] as const)('refuses %j', async (options, message) => {
    await expect(produce(recordingSink(), { ...history(1), ...options })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(message),
    })
  })

  it('says at once that a ledger cannot be written, before it sends anything', async () => {
    const sink = recordingSink()
    const ledgerPath = join(directory, 'missing', 'ledger.json')

    await expect(produce(sink, { ...history(10), ledgerPath })).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
      message: expect.stringContaining(ledgerPath),
    })
    expect(sink.messages).toEqual([])
  })

  it('replaces an older ledger whole, and leaves no other file', async () => {
    const folder = await mkdtemp(join(directory, 'replace-'))
    const ledgerPath = join(folder, 'l.json')
    await writeFile(ledgerPath, 'x'.repeat(1_000_000))

    await produce(recordingSink(), { ...history(10), ledgerPath })

    expect((await readLedger(ledgerPath)).sent).toBe(10)
    expect(await readdir(folder)).toEqual(['l.json'])
  })

  it('goes on with the users that an earlier run ended with', async () => {
    const report = await produce(recordingSink(), history(30_000))
    const later = await produce(recordingSink(), { ...history(10), users: report.users })

    expect(report.users).toBeGreaterThan(105)
    expect(later.users).toBeGreaterThanOrEqual(report.users)
  })
})

describe('produceLines(sink, lines, io)', () => {
  it('sends each line as it stands, keyed by its user where it has one', async () => {
    await using log = createMemoryEventLog({ partitions: 1 })
    const lines = ['{"user_id":5}', '', '{broken', '{"user_id":"x"}\r'].map((line) => Buffer.from(line))

    const report = await produceLines(log, source(lines))

    const [range] = await log.partitions()
    expect(report).toEqual({ sent: 4, uncertain: 0, end: 'complete' })
    expect(range?.end).toBe(4n)
    const read: (string | null)[][] = []
    for await (const event of log.consume({
      group: 'g',
      membership: 'alone',
      positions: async () => new Map(),
    })) {
      if (event.kind !== 'fetched') continue
      for (const { key, value } of event.fetch.messages)
        read.push([key && Buffer.from(key).toString(), value && Buffer.from(value).toString()])
      break
    }
    expect(read).toEqual([
      ['5', '{"user_id":5}'],
      [null, ''],
      [null, '{broken'],
      ['x', '{"user_id":"x"}\r'],
    ])
  })

  it('sends at once what has come, in batches', async () => {
    const sink = recordingSink()
    async function* groups(): AsyncGenerator<Buffer[]> {
      yield [Buffer.from('1')]
      expect(sink.messages).toHaveLength(1)
      yield Array.from({ length: 2_500 }, (_, n) => Buffer.from(String(n)))
    }

    await produceLines(sink, groups())

    expect(sink.appends).toEqual([1, 1_000, 1_000, 500])
  })

  it('sends large lines in small batches', async () => {
    const sink = recordingSink()

    await produceLines(sink, source(Array.from({ length: 5 }, () => Buffer.alloc(300_000))))

    expect(sink.appends).toEqual([2, 2, 1])
  })

  async function* source(lines: readonly Buffer[]): AsyncGenerator<readonly Buffer[]> {
    yield lines
  }
})
