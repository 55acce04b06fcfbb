import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildModules } from '../../lib/base/built.fixture.ts'
import { createMemoryEventLog, type MemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { openSqliteEventLog } from '../../lib/eventlog/eventlog.sqlite.ts'
import type { EventLog, NewMessage } from '../../lib/eventlog/eventlog.ts'
import { makeFirstHistory } from './first-history.ts'
import { produce } from './produce.ts'
import { ProducerState } from './producer-state.ts'

const untilMs = Date.parse('2026-11-20T12:34:56.789Z')

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-first-history-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

const openProducerState = (): Promise<ProducerState> => ProducerState.open(join(home, 'producer.json'))

async function valuesOf(log: EventLog): Promise<readonly string[]> {
  const values: string[] = []
  const ranges = await log.partitions()
  const open = new Map(
    ranges.filter(({ start, end }) => end > start).map((each) => [each.partition, each.end]),
  )
  const positions = new Map(ranges.map(({ partition, start }) => [partition, start]))
  const stream = log.consume({ group: 'test', membership: 'alone', positions: async () => positions })
  if (open.size === 0) return values
  for await (const event of stream) {
    if (event.kind !== 'fetched') continue
    const { partition, messages, next } = event.fetch
    for (const { value } of messages) values.push(Buffer.from(value ?? []).toString())
    if (next >= (open.get(partition) ?? next)) open.delete(partition)
    if (open.size === 0) break
  }
  return values.sort()
}

/** What a history holds that nobody interrupts. */
async function whole(count: number, days: number, until: number): Promise<readonly string[]> {
  await using log = createMemoryEventLog()
  await produce(log, { seed: until % 2 ** 32, plan: { kind: 'history', count, days, untilMs: until } })
  return valuesOf(log)
}

async function make(
  log: EventLog,
  {
    isEmpty = false,
    landed = [],
    signal,
  }: { isEmpty?: boolean; landed?: readonly string[]; signal?: AbortSignal } = {},
): Promise<number | undefined> {
  const report = await makeFirstHistory(
    {
      log,
      state: await openProducerState(),
      history: { count: 2_500, days: 3, untilMs },
      isEmpty,
      landedIds: async () => landed,
    },
    { signal },
  )
  return report?.sent
}

/** Stops after so many appends, of which the last is there in part. */
async function interrupted(log: MemoryEventLog, afterAppends: number): Promise<void> {
  const stop = new AbortController()
  let appends = 0
  const failing: EventLog = {
    ...log,
    append: async (messages) => {
      appends++
      if (appends < afterAppends) return log.append(messages)
      await log.append(messages.slice(0, 100))
      stop.abort(new Error('killed'))
      throw new Error('killed')
    },
  }
  await make(failing, { isEmpty: true, signal: stop.signal }).catch(() => undefined)
}

/** @returns exit code and signal. */
async function inProcess(count: number, fatalAppend?: number, afterMs?: number): Promise<readonly unknown[]> {
  const fixture = 'pipeline/producer/first-history.fixture.ts'
  const built = await buildModules([fixture])
  const words = [home, String(count), String(fatalAppend ?? 0)]
  const child = spawn(process.execPath, [built.fileOf(fixture), ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), afterMs))
  return once(child, 'exit')
}

describe('makeFirstHistory(request, io)', () => {
  it('completes what was killed at any moment: the log holds exactly the history', async () => {
    const count = 6_000
    const afterMs = Math.floor(Math.random() * 12)
    for (const fatalAppend of [1, 4]) {
      expect(await inProcess(count, fatalAppend, afterMs), `${afterMs} ms`).toEqual([null, 'SIGKILL'])
    }
    const { history } = await openProducerState()
    expect(await inProcess(count)).toEqual([0, null])

    await using log = await openSqliteEventLog({ directory: join(home, 'eventlog'), topic: 'user-events' })
    expect(history).toMatchObject({ count, days: 3 })
    expect(await valuesOf(log), `${afterMs} ms`).toEqual(await whole(count, 3, history?.untilMs ?? 0))
    expect((await openProducerState()).history).toBeUndefined()
  })

  it('begins none where the lake is not empty, and none again where one was completed', async () => {
    await using log = createMemoryEventLog()

    expect(await make(log)).toBeUndefined()
    expect(await make(log, { isEmpty: true })).toBe(2_500)
    expect(await make(log)).toBeUndefined()
    expect(await valuesOf(log)).toEqual(await whole(2_500, 3, untilMs))
  })

  it('sends what is missing beside events of others, also where an append was there in part', async () => {
    await using log = createMemoryEventLog()
    await interrupted(log, 2)
    const others: NewMessage[] = [
      { key: null, value: null },
      { key: null, value: Buffer.from('{"broken') },
    ]
    await log.append(others)

    await make(log)

    expect(await valuesOf(log)).toEqual(['', '{"broken', ...(await whole(2_500, 3, untilMs))].sort())
  })

  it('knows by the lake what retention has taken from the log', async () => {
    await using log = createMemoryEventLog()
    await interrupted(log, 2)
    const taken = await valuesOf(log)
    log.expire()

    await make(log, { landed: taken.map((value) => String(JSON.parse(value).event_id)) })

    expect(taken).toHaveLength(1_100)
    expect([...taken, ...(await valuesOf(log))].sort()).toEqual(await whole(2_500, 3, untilMs))
  })

  it('leaves a log alone that is not the one that the history was begun in', async () => {
    await using log = createMemoryEventLog()
    await using other = createMemoryEventLog({ clusterId: 'another' })
    await interrupted(log, 2)

    expect(await make(other)).toBeUndefined()

    expect(await valuesOf(other)).toEqual([])
  })
})

describe('ProducerState', () => {
  it('goes on with the users that there were, whoever was killed', async () => {
    await using log = createMemoryEventLog()
    const standing = await openProducerState()
    const report = await produce(standing.through(log), {
      seed: 3,
      users: standing.users,
      plan: { kind: 'history', count: 30_000, days: 1, untilMs },
    })

    expect(standing.users).toBe(report.users)
    expect(report.users).toBeGreaterThan(100)
    expect((await openProducerState()).users).toBe(report.users)
  })

  it('sends nothing where it cannot be written down first, so that sending again doubles nothing', async () => {
    await using log = createMemoryEventLog()
    const standing = await openProducerState()
    const newUser = [{ key: Buffer.from('101'), value: Buffer.from('{}') }]
    await rm(home, { recursive: true })

    await expect(standing.through(log).append(newUser)).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' })
    expect(await valuesOf(log)).toEqual([])

    await mkdir(home)
    await standing.through(log).append(newUser)
    expect(await valuesOf(log)).toEqual(['{}'])
    expect((await openProducerState()).users).toBe(101)
  })

  it('believes no file of which one bit has turned', async () => {
    const state = await openProducerState()
    const history = { log: 'c/t', seed: 7, users: 90, count: 1_000, days: 7, untilMs: 1_700_000_000_000 }
    await state.begin(history)
    const path = join(home, 'producer.json')
    const whole = await readFile(path)
    const believed: string[] = []

    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = Buffer.from(whole)
      damaged.writeUInt8(damaged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      await writeFile(path, damaged)
      const found = await openProducerState().catch(() => undefined)
      if (found !== undefined) believed.push(damaged.toString())
    }

    expect(believed).toEqual([])
    await writeFile(path, whole)
    expect(await openProducerState()).toMatchObject({ users: 100, history })
  })

  it('reads the file of a release that wrote no checksum', async () => {
    await writeFile(join(home, 'producer.json'), '{"users":321}\n')

    expect((await openProducerState()).users).toBe(321)
  })

  it('says of a file that it did not write which it is, and what to do', async () => {
    await writeFile(join(home, 'producer.json'), '{"users":')

    await expect(openProducerState()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(join(home, 'producer.json')),
    })
  })
})
