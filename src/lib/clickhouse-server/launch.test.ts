/** The life of the embedded server: who starts it, who ends it, and what a kill leaves behind. */
import { spawn } from 'node:child_process'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../base/log.ts'
import { endpointFile, readEndpoint, writeEndpoint } from './endpoint.ts'
import { type Home, temporaryHome, until } from './home.fixture.ts'
import { startServer } from './server.ts'
import { builtServer } from './shared.fixture.ts'

const { endServer, findOrStart, isAlive, isAtRest, openEmbeddedClickHouse, moduleOf } = await builtServer()

let home: Home

beforeEach(async () => {
  home = await temporaryHome()
})

afterEach(async () => {
  await home[Symbol.asyncDispose]()
})

const patient = { deadlineMs: 60_000 }

/** Opens a client in a process of its own and prints the pid of the server that it found. */
const visit = (path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const program = `
      import { findOrStart } from ${JSON.stringify(moduleOf('launch.ts'))}
      findOrStart(${JSON.stringify(path)}, { deadlineMs: 60000 }).then(({ pid }) => console.log(pid))`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program])
    let told = ''
    child.stdout.on('data', (chunk: Buffer) => {
      told += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      told += chunk.toString()
    })
    child.on('error', reject)
    child.on('close', () => resolve(told.trim()))
  })

describe('findOrStart(home)', () => {
  it('leaves one server however many start at once, and tells all of them where it is', async () => {
    const told = await Promise.all([
      visit(home.path),
      visit(home.path),
      findOrStart(home.path, patient).then(({ pid }) => `${pid}`),
      findOrStart(home.path, patient).then(({ pid }) => `${pid}`),
    ])
    await until(async () => (await home.servers()).length === 1)

    expect(new Set(told)).toEqual(new Set([`${(await home.servers())[0]}`]))
    expect((await stat(endpointFile(home.path))).mode & 0o777).toBe(0o600)
  })

  it('sends the password to nobody but the server that wrote the file', async () => {
    const heard: string[] = []
    const thief = createServer((request, response) => {
      heard.push(JSON.stringify([request.url, request.headers]))
      response.end('lakeshore\n')
    })
    await new Promise<void>((listening) => thief.listen(0, '127.0.0.1', listening))
    const address = thief.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const endpoint = {
      url: `http://127.0.0.1:${port}`,
      username: 'default',
      password: 'secret',
      pid: process.pid,
    }
    await writeEndpoint(home.path, endpoint)

    const isThief = await isAlive(endpoint)
    const found = await findOrStart(home.path, patient)
    thief.close()

    expect(isThief).toBe(false)
    expect(found.pid).not.toBe(process.pid)
    expect(heard.length).toBeGreaterThan(0)
    expect(heard.filter((text) => text.includes('secret'))).toEqual([])
  })

  it('believes a file only as a whole: a damaged number would name a process of somebody else', async () => {
    const server = await findOrStart(home.path, patient)

    expect(await isAlive(server)).toBe(true)
    expect(await isAlive({ ...server, pid: server.pid ^ 1 })).toBe(false)
    expect(await isAlive({ ...server, username: 'defaults' })).toBe(false)
  })

  it('finds the server again whose file was damaged or deleted while it runs', async () => {
    const server = await findOrStart(home.path, patient)
    const text = await readFile(endpointFile(home.path), 'utf8')

    for (const damage of [
      () => writeFile(endpointFile(home.path), text.replace(/"pid":\d/, '"pid":9')),
      () => writeFile(endpointFile(home.path), text.slice(0, -9)),
      () => rm(endpointFile(home.path)),
    ]) {
      await damage()
      expect(await findOrStart(home.path, patient)).toEqual(server)
    }
  })

  it('is not deceived by one that passes the challenge on to the server', async () => {
    const server = await findOrStart(home.path, patient)
    const relay = createServer((request, response) => {
      fetch(`${server.url}${request.url}`).then(
        async (answer) => response.end(await answer.text()),
        () => response.destroy(),
      )
    })
    await new Promise<void>((listening) => relay.listen(0, '127.0.0.1', listening))
    const address = relay.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0

    expect(await isAlive({ ...server, url: `http://127.0.0.1:${port}` })).toBe(false)
    expect(await isAlive(server)).toBe(true)
    relay.close()
  })

  it('says where the log is when no server comes up', async () => {
    await expect(findOrStart(join('/proc', 'nowhere'), patient)).rejects.toThrow('/proc/nowhere')
    await writeEndpoint(home.path, { url: 'http://127.0.0.1:1', username: 'x', password: 'y', pid: 1 })

    await expect(findOrStart(home.path, { deadlineMs: 0 })).rejects.toMatchObject({
      code: 'CLICKHOUSE_UNAVAILABLE',
      details: expect.objectContaining({ log: expect.stringContaining('clickhouse.log') }),
    })
  })

  it('starts a server where the file is torn', async () => {
    for (const torn of ['', 'garbage', '{"url":1}']) {
      await writeFile(endpointFile(home.path), torn)
      expect(await readEndpoint(home.path)).toBeUndefined()
    }

    expect(await isAlive(await findOrStart(home.path, patient))).toBe(true)
  })

  it('says why the server did not come up, without its stack', async () => {
    await mkdir(join(home.path, 'logs'))
    const err = new Error('ENOSPC: no space left on device, write').stack
    const lines = [{ message: 'long ago' }, { message: 'failed', err, pid: 7 }]
    const log = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    await writeFile(join(home.path, 'logs', 'clickhouse.log'), log)

    await expect(findOrStart(home.path, { deadlineMs: 0 })).rejects.toMatchObject({
      details: {
        endOfLog: expect.stringMatching(
          /"failed","err":"Error: ENOSPC: no space left on device, write","pid":7}$/,
        ),
      },
    })
  })
})

describe('the server', () => {
  it('ends on SIGTERM with what it was told to keep', async () => {
    await using client = await openEmbeddedClickHouse({ home: home.path, ...patient })
    await client.command('CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a')
    const insert = client.command('INSERT INTO kept SELECT sleepEachRow(2) + 1 FROM numbers(1)')
    await until(
      async () =>
        (await client.query("SELECT 1 FROM system.processes WHERE query LIKE 'INSERT INTO kept%'")).length ===
        1,
    )

    await Promise.all([home.end('SIGTERM'), insert])

    expect(await client.query('SELECT * FROM kept')).toEqual([{ a: 1 }])
  })

  it('killed in the middle of inserts holds each of them whole or not at all, and its clients go on', async () => {
    await using client = await openEmbeddedClickHouse({ home: home.path, ...patient })
    // Each insert lasts long enough to be seen and killed.
    await client.command(
      'CREATE TABLE whole (batch UInt8, a UInt64, nap UInt8 MATERIALIZED sleep(0.5)) ENGINE = MergeTree ORDER BY a',
    )
    const rows = 130_000
    const insert = (batch: number): Promise<string> =>
      client.insert('whole', Array(rows).fill({ batch, a: 777_777_777_777_777 })).then(
        () => 'done',
        () => 'lost',
      )
    const isRunning = async (): Promise<boolean> =>
      (await client.query("SELECT 1 FROM system.processes WHERE query LIKE 'INSERT INTO%'")).length > 0

    const first = await insert(1)
    const second = insert(2)
    await until(isRunning)
    await home.end('SIGKILL')
    const secondEnd = await second
    const third = await insert(3)

    const held = await client.query<{ readonly batch: number; readonly n: number }>(
      'SELECT batch, count() AS n FROM whole GROUP BY batch ORDER BY batch',
    )
    expect([first, third]).toEqual(['done', 'done'])
    expect(held.filter(({ batch }) => batch !== 2)).toEqual([
      { batch: 1, n: rows },
      { batch: 3, n: rows },
    ])
    expect(held.filter(({ batch }) => batch === 2).map(({ n }) => n)).toEqual(
      held.length === 3 || secondEnd === 'done' ? [rows] : [],
    )
  })
})

describe('a server and its successor', () => {
  const insertWorks = async (): Promise<readonly number[]> => {
    await using client = await openEmbeddedClickHouse({ home: home.path, ...patient })
    await client.command('CREATE TABLE IF NOT EXISTS probe (a UInt8) ENGINE = Memory')
    await client.insert('probe', [{ a: 1 }])
    const rows = await client.query<{ readonly a: number }>('SELECT a FROM probe')
    return rows.map(({ a }) => a)
  }

  it('never serve one path together, also when the home was deleted under the first', async () => {
    const first = await findOrStart(home.path, patient)
    await rm(home.path, { recursive: true, force: true, maxRetries: 5 })

    const second = await findOrStart(home.path, patient)

    expect(await home.servers()).toEqual([second.pid])
    expect(second.pid).not.toBe(first.pid)
    expect(await insertWorks()).toEqual([1])
  })

  it('are named to the third that wants the home', async () => {
    const { pid } = await findOrStart(home.path, patient)

    await expect(
      startServer({ home: home.path, port: 0, idleMs: 1_000, memoryBytes: 2 ** 30, logger: silentLogger }),
    ).rejects.toMatchObject({ code: 'HOME_LOCKED', message: expect.stringContaining(`process ${pid} `) })
  })
})

describe('endServer(home)', () => {
  it('ends the server in order, and one that is needed again is started', async () => {
    expect(await isAtRest(home.path)).toBe(false)
    const first = await findOrStart(home.path, patient)
    expect(await isAtRest(home.path)).toBe(false)

    expect(await endServer(home.path, patient)).toBe(true)
    expect(await home.servers()).toEqual([])
    expect(await isAtRest(home.path)).toBe(true)

    const second = await findOrStart(home.path, patient)
    expect(second.pid).not.toBe(first.pid)
  })

  it('leaves a process alone that only has the number of a server that is gone', async () => {
    await writeEndpoint(home.path, {
      url: 'http://127.0.0.1:9',
      username: 'u',
      password: 'p',
      pid: process.pid,
    })

    expect(await endServer(home.path)).toBe(true)
  })
})
