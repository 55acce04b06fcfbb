import { readdir, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeEndpoint } from './endpoint.ts'
import { type Home, temporaryHome, until } from './home.fixture.ts'
import { builtServer } from './shared.fixture.ts'

const { findOrStart, isAlive, openEmbeddedClickHouse } = await builtServer()

let home: Home

beforeEach(async () => {
  home = await temporaryHome()
})

afterEach(async () => {
  await home[Symbol.asyncDispose]()
})

const patient = { deadlineMs: 60_000 }

describe('a server and its successor', () => {
  const insertWorks = async (): Promise<readonly number[]> => {
    await using client = await openEmbeddedClickHouse({ home: home.path, ...patient })
    await client.command('CREATE TABLE IF NOT EXISTS probe (a UInt8) ENGINE = Memory')
    await client.insert('probe', [{ a: 1 }])
    const rows = await client.query<{ readonly a: number }>('SELECT a FROM probe')
    return rows.map(({ a }) => a)
  }

  it('ends itself when nobody has used it, not while a client is open, and its successor is found again', async () => {
    const client = await openEmbeddedClickHouse({ home: home.path, idleMs: 3_000, ...patient })
    await client.command('CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a')
    await client.insert('kept', [{ a: 1 }])
    const before = await home.endpoint()
    const opened = Date.now()
    await until(async () => Date.now() - opened > 4_500)
    expect(await home.servers()).toEqual([before.pid])

    await client[Symbol.asyncDispose]()
    await until(async () => (await home.servers()).length === 0)

    await using again = await openEmbeddedClickHouse({ home: home.path, ...patient })
    const after = await home.endpoint()
    expect(await again.query('SELECT * FROM kept')).toEqual([{ a: 1 }])
    expect(after.url).toBe(before.url)
    expect(after.password).not.toBe(before.password)
    expect(await readFile(join(home.path, 'logs', 'clickhouse.log'), 'utf8')).toContain('"reason":"idle"')
  })

  it('does not believe a file that names somebody else', async () => {
    const other = await findOrStart(home.path, patient)
    await using mine = await temporaryHome()
    await writeEndpoint(mine.path, { ...other, password: 'not theirs' })

    const found = await findOrStart(mine.path, patient)

    expect(found.pid).not.toBe(other.pid)
    expect(found.url).not.toBe(other.url)
  })

  it('do not share the folder of uploads: one that ends late takes nothing of the other', async () => {
    const first = await findOrStart(home.path, patient)
    const { hostname, port } = new URL(first.url)
    const upload = connect(Number(port), hostname)
    upload.on('error', () => undefined)
    const head = [
      'POST /?query=INSERT+INTO+FUNCTION+null(%27a+UInt8%27)+FORMAT+CSV HTTP/1.1',
      `Host: ${hostname}:${port}`,
      `X-ClickHouse-User: ${first.username}`,
      `X-ClickHouse-Key: ${first.password}`,
      'Content-Length: 1000',
    ]
    upload.write(`${head.join('\r\n')}\r\n\r\n1\n`)
    const uploads = join(home.path, 'clickhouse', 'http')
    await until(async () =>
      (await readdir(uploads, { recursive: true, withFileTypes: true })).some(
        (entry) => entry.isFile() && entry.name !== 'access.xml',
      ),
    )

    process.kill(first.pid, 'SIGTERM')
    await until(async () => !(await isAlive(first)))
    const second = await findOrStart(home.path, patient)
    await until(async () => !(await home.servers()).includes(first.pid))

    expect(second.pid).not.toBe(first.pid)
    expect(await insertWorks()).toEqual([1])
    upload.destroy()
  })

  it.each(['clickhouse/status', 'clickhouse/http'])('change when %s is deleted', async (path) => {
    const first = await findOrStart(home.path, patient)

    await rm(join(home.path, path), { recursive: true })
    await until(async () => !(await home.servers()).includes(first.pid))

    expect(await insertWorks()).toEqual([1])
  })
})
