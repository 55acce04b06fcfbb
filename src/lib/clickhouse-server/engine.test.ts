import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Engine, openEngine, type Work } from './engine.ts'
import { until } from './home.fixture.ts'

/** Much longer than any test waits, and yet finite: what is not ended must fail a test and not hold it for ever. */
const endless = 'SELECT count() FROM numbers(5000000000) WHERE sipHash64(number) = 1'

let path: string
let engine: Engine
let ids = 0

beforeAll(async () => {
  path = await mkdtemp(join(tmpdir(), 'clickhouse-engine-'))
  engine = await openEngine({ path, memoryBytes: 2 ** 30, readers: 1, writers: 1, maxWaiting: 1 })
})

afterAll(async () => {
  await engine.stop(10_000)
  engine.close()
  await rm(path, { recursive: true, force: true })
})

const ask = (sql: string, extra: Partial<Work> = {}, signal?: AbortSignal): Promise<string> =>
  askOf(engine, sql, extra, signal)

const askOf = async (
  engine: Engine,
  sql: string,
  extra: Partial<Work> = {},
  signal?: AbortSignal,
): Promise<string> => {
  const work: Work = {
    sql,
    format: 'TabSeparated',
    kind: 'read',
    outlives: false,
    database: 'default',
    settings: new Map(),
    params: new Map(),
    id: `test ${ids++}`,
    ...extra,
  }
  const { bytes } = await engine.run(work, signal ?? new AbortController().signal)
  return Buffer.from(bytes).toString().trimEnd()
}

describe('run(work, signal)', () => {
  it('takes back the settings of the request before', async () => {
    const own = await ask("SELECT getSetting('max_block_size')", {
      settings: new Map([['max_block_size', '7']]),
    })
    const next = await ask("SELECT getSetting('max_block_size') = 7")

    expect([own, next]).toEqual(['7', '0'])
  })

  it('does not lend a parameter to the next request', async () => {
    await ask('SELECT {x:String}', { params: new Map([['x', 'mine']]) })

    await expect(ask('SELECT {x:String}')).rejects.toMatchObject({ code: 456 })
  })

  it('forgets a SET statement with its request', async () => {
    await ask('SET max_block_size = 9', { outlives: true })

    expect(await ask("SELECT getSetting('max_block_size') = 9")).toBe('0')
  })

  it('goes back to the database that is asked for', async () => {
    await ask('CREATE DATABASE IF NOT EXISTS other', { kind: 'write' })

    const there = await ask('SELECT currentDatabase()', { database: 'other' })
    const here = await ask('SELECT currentDatabase()')

    expect([there, here]).toEqual(['other', 'default'])
  })

  it('refuses what finds neither a connection nor room to wait, and goes on when one is free', async () => {
    const stop = new AbortController()
    const slow = ask(endless, {}, stop.signal)
    const waiting = ask('SELECT 1')

    await expect(ask('SELECT 2')).rejects.toMatchObject({ code: 202, type: 'TOO_MANY_SIMULTANEOUS_QUERIES' })
    expect(await ask('SELECT 3', { kind: 'write' })).toBe('3')

    stop.abort(new Error('enough'))
    await expect(slow).rejects.toThrow('enough')
    expect(await waiting).toBe('1')
  })

  it('lets one that waits give up its place', async () => {
    const [slowStop, waitStop] = [new AbortController(), new AbortController()]
    const slow = ask(endless, {}, slowStop.signal)
    const waiting = ask('SELECT 1', {}, waitStop.signal)

    waitStop.abort(new Error('no longer wanted'))
    await expect(waiting).rejects.toThrow('no longer wanted')
    const next = ask('SELECT 2')
    slowStop.abort(new Error('enough'))

    await expect(slow).rejects.toThrow('enough')
    expect(await next).toBe('2')
  })

  it('ends an aborted statement in the engine', async () => {
    const stop = new AbortController()
    const id = 'to be ended'
    const slow = ask(endless, { id }, stop.signal)
    const isThere = async (): Promise<boolean> =>
      (await ask(`SELECT count() FROM system.processes WHERE Settings['log_comment'] = '${id}'`, {
        kind: 'write',
      })) === '1'
    await until(isThere)

    stop.abort(new Error('enough'))
    await expect(slow).rejects.toThrow('enough')

    await until(async () => !(await isThere()))
  })

  it('ends an aborted statement whenever that is, also before it has begun', async () => {
    for (let afterMs = 0; afterMs < 20; afterMs++) {
      const stop = new AbortController()
      const slow = ask(endless, {}, stop.signal)
      if (afterMs % 2 === 0) await sleep(afterMs)
      else for (let turn = 0; turn < afterMs; turn++) await new Promise((next) => setImmediate(next))
      stop.abort(new Error(`after ${afterMs}`))

      await expect(slow).rejects.toThrow(`after ${afterMs}`)
    }
    expect(await ask('SELECT 1')).toBe('1')
  })
})

/** An engine of one connection for each kind, whose statements `reply` answers. */
const openScripted = (
  reply: (sql: string) => Promise<string>,
  onConnect: () => void = () => undefined,
): Promise<Engine> =>
  openEngine({
    path: '/nowhere',
    memoryBytes: 2 ** 30,
    readers: 1,
    writers: 1,
    connect: () => {
      onConnect()
      return {
        queryAsync: async (sql: string) => {
          const text = await reply(sql)
          return {
            text: () => text,
            bytes: () => Buffer.from(text),
            rowsRead: 0,
            bytesRead: 0,
            elapsed: 0,
          }
        },
        close: () => undefined,
      }
    },
  })

describe('a pool of connections', () => {
  it('keeps its size when a connection cannot be opened again', async () => {
    let fault: Error | undefined
    const scripted = await openScripted(
      async () => 'answer',
      () => {
        if (fault !== undefined) throw fault
      },
    )
    await askOf(scripted, 'SET a = 1', { outlives: true })

    fault = new Error('EMFILE')
    await expect(askOf(scripted, 'SELECT 1')).rejects.toThrow('EMFILE')
    await expect(askOf(scripted, 'SELECT 1')).rejects.toThrow('EMFILE')
    fault = undefined

    expect(await askOf(scripted, 'SELECT 1')).toBe('answer')
  })
})

describe('stop(deadlineMs)', () => {
  it('does not wait for a statement that ignores KILL', async () => {
    let end: (text: string) => void = () => undefined
    const scripted = await openScripted((sql) =>
      sql === 'endless' ? new Promise<string>((done) => (end = done)) : Promise.resolve(''),
    )
    const endlessAnswer = askOf(scripted, 'endless')
    endlessAnswer.catch(() => undefined)
    await new Promise((next) => setImmediate(next))

    expect(await scripted.stop(50)).toBe(false)
    await expect(askOf(scripted, 'SELECT 1')).rejects.toMatchObject({ code: 210 })
    // Or the engine asks for its end for ever, in the worker that this file shares with others.
    end('')
    await endlessAnswer.catch(() => undefined)
  })

  it('kills what runs, and says that all of it ended', async () => {
    let end: (text: string) => void = () => undefined
    const scripted = await openScripted((sql) => {
      if (sql.startsWith('KILL QUERY')) end('')
      return sql === 'long' ? new Promise<string>((done) => (end = done)) : Promise.resolve('')
    })
    const answer = askOf(scripted, 'long')
    answer.catch(() => undefined)
    await new Promise((next) => setImmediate(next))

    expect(await scripted.stop(10_000)).toBe(true)
  })
})
