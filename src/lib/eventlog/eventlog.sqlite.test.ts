import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BuiltModules, buildModules } from '../base/built.fixture.ts'
import { ManualClock } from '../base/clock.ts'
import { isLakeError } from '../base/errors.ts'
import { describeEventLog, numbered, readCount, text } from './eventlog.contract.ts'
import { openSqliteEventLog, type SqliteEventLog } from './eventlog.sqlite.ts'
import { type EventLog, type Message, offset } from './eventlog.ts'
import { SegmentFolder } from './segments/segment-folder.ts'

const child = 'lib/eventlog/eventlog.sqlite.fixture.ts'
let built: BuiltModules
let directory: string
let topics = 0
const opened = new WeakMap<object, { readonly log: SqliteEventLog; readonly clock: ManualClock }>()
const dayMs = 86_400_000

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lakeshore-eventlog-'))
  built = await buildModules([child])
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

describeEventLog('sqlite', {
  async open() {
    const clock = new ManualClock(Date.now())
    const log = await openSqliteEventLog({ directory, topic: `topic-${topics++}`, clock })
    opened.set(log, { log, clock })
    return log
  },
  async expire(contractLog) {
    const { log, clock } = opened.get(contractLog) ?? {}
    clock?.advance(2 * dayMs)
    await log?.append([{ key: null, value: null }])
    clock?.advance(dayMs / 12)
    await log?.applyRetention()
  },
})

/** Runs a process of its own, and collects the lines that it prints. */
function start(...args: readonly string[]) {
  const process_ = spawn(process.execPath, [built.fileOf(child), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  let rest = ''
  process_.stdout.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
  })
  const ended = once(process_, 'close')
  return {
    lines,
    ended,
    async kill() {
      process_.kill('SIGKILL')
      await ended
    },
  }
}

const total = async (log: EventLog): Promise<number> =>
  (await log.partitions()).reduce((sum, range) => sum + Number(range.end - range.start), 0)

function expectWholeAndContiguous(messages: readonly Message[]): void {
  for (const partition of [0, 1, 2]) {
    const offsets = messages.filter((m) => m.partition === partition).map((m) => m.offset)
    expect(offsets).toEqual(offsets.map((_, n) => BigInt(n)))
  }
  const parts = new Map<string, number>()
  for (const message of messages) {
    const append = text(message.value)?.replace(/\/\d+$/, '') ?? ''
    parts.set(append, (parts.get(append) ?? 0) + 1)
  }
  expect([...parts.values()].every((count) => count === 5)).toBe(true)
}

describe('openSqliteEventLog(options)', () => {
  it('makes one log when many processes start at once, and keeps their appends apart and contiguous', async () => {
    const children = ['a', 'b', 'c'].map((name) => start('append', directory, 'racing', name, '20'))

    await Promise.all(children.map(({ ended }) => ended))

    await using log = await openSqliteEventLog({ directory, topic: 'racing' })
    const messages = await readCount(log, 300)
    expect(messages).toHaveLength(300)
    expectWholeAndContiguous(messages)
    expect(await readdir(join(directory, 'racing', 'segments'))).not.toHaveLength(1)
  })

  it('has every acknowledged append whole, and no other in part, after its writers were killed', async () => {
    const acknowledged: string[] = []
    for (const round of [1, 2]) {
      const children = ['a', 'b'].map((name) => start('append', directory, 'killed', `${name}${round}`))
      await expect
        .poll(() => children.every(({ lines }) => lines.length > 7 * round), {
          interval: 1,
        })
        .toBe(true)
      await Promise.all(children.map(({ kill }) => kill()))
      children.forEach(({ lines }, index) => {
        acknowledged.push(...lines.map((n) => `${'ab'[index]}${round}/${n}`))
      })
    }

    await using log = await openSqliteEventLog({ directory, topic: 'killed' })
    const messages = await readCount(log, await total(log))

    expectWholeAndContiguous(messages)
    const values = new Set(messages.map(({ value }) => text(value)))
    expect(acknowledged.filter((append) => !values.has(`${append}/4`))).toEqual([])
  })

  it('gives the turn to the next process when the owner is killed', async () => {
    const owner = start('own', directory, 'owned')
    await expect.poll(() => owner.lines).toEqual(['owned'])
    const next = start('own', directory, 'owned')
    await using log = await openSqliteEventLog({ directory, topic: 'owned' })
    const waiting = new AbortController()
    const own = (async () => {
      for await (const event of log.consume({
        group: 'g',
        membership: 'shared',
        signal: waiting.signal,
        positions: async () => new Map(),
      }))
        if (event.kind === 'idle') return 'owned'
      return 'ended'
    })()

    await owner.kill()

    let here: string | undefined
    void own.then((turn) => (here = turn))
    await expect.poll(() => here ?? next.lines[0]).toBe('owned')
    await next.kill()
    expect(await own).toBe('owned')
  })

  it('reads what came in many small appends at once, from the middle of one too', async () => {
    await using log = await openSqliteEventLog({ directory, topic: 'small', partitions: 1 })
    const count = 150
    for (let n = 0; n < count; n += 2) await log.append(numbered(2, n))
    for (const from of [0n, 33n, 149n]) {
      const stop = new AbortController()
      const stream = log.consume({
        group: 'g',
        membership: 'alone',
        positions: async () => new Map([[0, offset(from)]]),
        signal: stop.signal,
      })
      for await (const event of stream) {
        if (event.kind !== 'fetched') continue
        expect(event.fetch.messages.map((message) => message.offset)).toEqual(
          Array.from({ length: count - Number(from) }, (_, n) => from + BigInt(n)),
        )
        expect(event.fetch.next).toBe(BigInt(count))
        break
      }
    }
  })

  it('keeps the identity and the number of partitions that it was made with', async () => {
    await using first = await openSqliteEventLog({ directory, topic: 'same', partitions: 2 })
    await using second = await openSqliteEventLog({ directory, topic: 'same', partitions: 5 })
    await using other = await openSqliteEventLog({ directory, topic: 'other' })

    expect(await second.clusterId()).toBe(await first.clusterId())
    expect(await other.clusterId()).not.toBe(await first.clusterId())
    expect(await second.partitions()).toHaveLength(2)
  })

  it('does not take messages for those of a new log when its identity is lost or broken', async () => {
    const identity = join(directory, 'lost', 'log.json')
    await using log = await openSqliteEventLog({ directory, topic: 'lost' })
    await log.append([{ key: null, value: null }])
    const whole = await readFile(identity)

    await rm(identity)
    await expect(openSqliteEventLog({ directory, topic: 'lost' })).rejects.toMatchObject({
      code: 'LOG_CORRUPT',
      message: expect.stringContaining(identity),
      details: { fault: 'event-log-damaged', folder: join(directory, 'lost') },
    })
    await writeFile(identity, '{')
    await expect(openSqliteEventLog({ directory, topic: 'lost' })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(identity),
      details: { fault: 'event-log-damaged', folder: join(directory, 'lost') },
    })

    await writeFile(identity, whole)
    await using again = await openSqliteEventLog({ directory, topic: 'lost' })
    expect(await again.clusterId()).toBe(await log.clusterId())
  })

  it('refuses a log that a newer release has made, and leaves it as it was', async () => {
    const identity = join(directory, 'newer', 'log.json')
    await openSqliteEventLog({ directory, topic: 'newer' }).then((log) => log[Symbol.asyncDispose]())
    await writeFile(identity, '{"version":2,"clusterId":"x","shards":[]}')

    await expect(openSqliteEventLog({ directory, topic: 'newer' })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `${identity}: expected a log of version 1, got 2`,
      details: { fault: 'newer-event-log' },
    })
    expect(await readFile(identity, 'utf8')).toBe('{"version":2,"clusterId":"x","shards":[]}')
  })

  it('stops at its identity whichever bit of it has flipped', async () => {
    const identity = join(directory, 'flipped', 'log.json')
    await openSqliteEventLog({ directory, topic: 'flipped' }).then((log) => log[Symbol.asyncDispose]())
    const whole = await readFile(identity)
    const passed: number[] = []

    for (let bit = 0; bit < whole.length * 8; bit++) {
      const bytes = Buffer.from(whole)
      bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      await writeFile(identity, bytes)
      const error: unknown = await openSqliteEventLog({ directory, topic: 'flipped' }).catch(
        (e: unknown) => e,
      )
      if (!isLakeError(error, 'LOG_CORRUPT', 'CONFIG_INVALID')) passed.push(bit)
    }

    expect(passed).toEqual([])
  })

  it.each([
    ['missing', (file: string) => rm(file), 'there is no such file'],
    ['empty', (file: string) => truncate(file), 'no such table: segment'],
    ['cut-off', (file: string) => truncate(file, 5_000), 'database disk image is malformed'],
  ])('stops for good when the file of a segment is %s', async (topic, damage, cause) => {
    const path = join(directory, topic)
    const file = join(path, 'segments', '0000000000', 'segment.sqlite')
    await openSqliteEventLog({ directory, topic }).then((log) => log[Symbol.asyncDispose]())
    await damage(file)
    await using log = await openSqliteEventLog({ directory, topic })
    const refusal = {
      code: 'LOG_CORRUPT',
      retryable: false,
      message: `open ${file}: ${cause}`,
      details: { file, fault: 'event-log-damaged', folder: path },
    }

    await expect(log.append(numbered(10))).rejects.toMatchObject(refusal)
    await expect(log.partitions()).rejects.toMatchObject(refusal)
  })

  it('tells a log that has lost its newest messages from a new one', async () => {
    await using whole = await openSqliteEventLog({ directory, topic: 'whole' })
    await whole.append(numbered(30))
    const path = join(directory, 'torn-wal')
    await cp(join(directory, 'whole'), path, { recursive: true })
    await truncate(join(path, 'segments', '0000000000', 'segment.sqlite-wal'), 100)
    await using log = await openSqliteEventLog({ directory, topic: 'torn-wal' })

    const positions = async () => new Map([[0, offset(5n)]])

    await expect(readCount(log, 1, { positions })).rejects.toMatchObject({
      code: 'EVENTLOG_RESET',
      message: 'torn-wal partition 0: expected offset 5 or more, but the log ends at 0',
      details: expect.objectContaining({ folder: join(directory, 'torn-wal') }),
    })
    expect(await log.clusterId()).toBe(await whole.clusterId())
  })

  it('acknowledges nothing that goes to a file which was deleted under it', async () => {
    await using log = await openSqliteEventLog({ directory, topic: 'deleted' })
    await log.append(numbered(10))
    const file = join(directory, 'deleted', 'segments', '0000000000', 'segment.sqlite')

    await rm(file)

    await expect(log.append(numbered(10))).rejects.toMatchObject({
      code: 'LOG_CORRUPT',
      message: `open ${file}: there is no such file`,
      retryable: false,
    })
  })

  it('drops whole segments when their time is over, and never the active one', async () => {
    const clock = new ManualClock(Date.now())
    await using log = await openSqliteEventLog({ directory, topic: 'retained', clock, segmentMs: 3_600_000 })
    const segments = () => readdir(join(directory, 'retained', 'segments'))
    for (let hour = 0; hour < 30; hour++) {
      await log.append(numbered(30, hour * 30))
      clock.advance(3_600_000)
    }

    const kept = await segments()
    clock.advance(10 * dayMs)
    await log.applyRetention()

    expect(kept).toHaveLength(25)
    expect(kept.at(-1)).toBe('0000000029')
    expect(await segments()).toEqual(['0000000029'])
    const ranges = await log.partitions()
    const messages = await readCount(log, 30)
    expect(messages.map(({ value }) => Number(text(value))).sort((a, b) => a - b)[0]).toBe(29 * 30)
    expect(ranges.reduce((sum, { start }) => sum + Number(start), 0)).toBe(29 * 30)
  })

  it('leaves readers an hour for what lay there unread over a long pause', async () => {
    const clock = new ManualClock(Date.now())
    await using log = await openSqliteEventLog({ directory, topic: 'paused', clock })
    await log.append(numbered(30))
    clock.advance(10 * dayMs)
    await log.append(numbered(30, 30))

    clock.advance(dayMs / 25)
    const soon = await log.applyRetention()
    clock.advance(dayMs / 25)
    const later = await log.applyRetention()

    expect([soon, later]).toEqual([0, 1])
    expect(await total(log)).toBe(30)
  })

  it('throws EVENTLOG_GAP at a reader that retention has overtaken', async () => {
    const clock = new ManualClock(Date.now())
    await using log = await openSqliteEventLog({ directory, topic: 'overtaken', clock, segmentMessages: 10 })
    await log.append(numbered(20))
    await log.append(numbered(20, 20))
    await log.append(numbered(20, 40))

    const reading = (async () => {
      let hasStarted = false
      for await (const event of log.consume({
        group: 'g',
        membership: 'alone',
        positions: async () => new Map(),
      })) {
        if (event.kind !== 'fetched' || hasStarted) continue
        hasStarted = true
        clock.advance(2 * dayMs)
        await log.append(numbered(20, 60))
        await log.applyRetention()
      }
    })()

    await expect(reading).rejects.toMatchObject({ code: 'EVENTLOG_GAP' })
  })

  it('goes on in order when a process was killed between making a segment and beginning it', async () => {
    const topic = 'half-rolled'
    {
      await using log = await openSqliteEventLog({ directory, topic })
      await log.append(numbered(50))
    }
    const bases = [0, 1, 2].map(() => ({ next: 0n, lastMs: 0 }))
    new SegmentFolder(join(directory, topic)).create(1, { createdMs: Date.now(), bases })

    await using log = await openSqliteEventLog({ directory, topic, segmentMessages: 50 })
    const before = await total(log)
    await log.append(numbered(50, 50))
    await log.append(numbered(50, 100))

    expect(before).toBe(50)
    const messages = await readCount(log, 150)
    expect(new Set(messages.map(({ value }) => text(value))).size).toBe(150)
  })

  it('leaves nothing of acknowledged positions that could not be written', async () => {
    await using log = await openSqliteEventLog({ directory, topic: 'telemetry' })
    const groups = join(directory, 'telemetry', 'groups')
    await mkdir(join(groups, 'g.json'))

    await log.acknowledge('g', new Map([[0, offset(7n)]]))

    expect(await readdir(groups)).toEqual(['g.json'])
  })

  it('refuses a topic that cannot name a folder', async () => {
    await expect(openSqliteEventLog({ directory, topic: '../up' })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    })
  })

  it.runIf(process.platform === 'linux')('says so, and ends, where no folder can be', async () => {
    await expect(openSqliteEventLog({ directory: '/proc/none/below', topic: 't' })).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
      message: expect.stringContaining('/proc/none/below'),
    })
  })

  it('says what is wrong with a folder that it may not write', async () => {
    const file = join(directory, 'a-file')
    await writeFile(file, '')

    await expect(openSqliteEventLog({ directory: file, topic: 't' })).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
      message: expect.stringContaining(file),
    })
  })
})
