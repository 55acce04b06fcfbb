import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { locateTable } from '../query/locate.ts'
import { openPlatform, type Platform } from './compose.ts'
import { readConfig } from './config.ts'

let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-compose-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

const platformOf = (home: string): Platform => openPlatform(readConfig({ LAKE_HOME: home }))

describe('openPlatform(config)', () => {
  it('opens nothing before it is asked for', async () => {
    const home = join(folder, 'home')
    const platform = platformOf(home)

    expect(await (await platform.table('bronze/events')).exists()).toBe(false)
    await platform[Symbol.asyncDispose]()

    expect(await readdir(folder)).toEqual([])
  })

  it.each([
    ['by itself', (platform: Platform) => platform.home()],
    ['for the event log', (platform: Platform) => platform.log()],
    ['for the run store', (platform: Platform) => platform.runs()],
    ['for a new table', (platform: Platform) => locateTable(platform, 'mine', { orNew: true })],
  ])('makes LAKE_HOME %s, and lets no other user enter it', async (_what, open) => {
    const home = join(folder, 'home')
    await using platform = platformOf(home)

    await open(platform)

    expect((await stat(home)).mode & 0o777).toBe(0o700)
  })

  it('opens each part once, however many ask at once', async () => {
    await using platform = platformOf(folder)

    const logs = await Promise.all([platform.log(), platform.log()])
    const tables = await Promise.all([platform.table('bronze/events'), platform.table('bronze/events')])

    expect(logs[0]).toBe(logs[1])
    expect(tables[0]).toBe(tables[1])
  })

  it('gives streaming stages an engine of one thread, with as much memory: a message may be megabytes long', async () => {
    await using platform = platformOf(join(folder, 'home'))
    const settings = `select current_setting('threads') as threads, current_setting('memory_limit') as memory`

    const [engine, streaming] = await Promise.all([platform.duckdb(), platform.streamingDuckdb()])
    const [of, ofStreaming] = await Promise.all(
      [engine, streaming].map((each) => each.use((session) => session.row(settings))),
    )

    expect(ofStreaming).toEqual({ ...of, threads: 1n })
  })

  it('names the home that cannot be made, and tries again when asked again', async () => {
    await using platform = platformOf(join(import.meta.filename, 'home'))

    await expect(platform.log()).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' })
    await expect(platform.runs()).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
      message: expect.stringContaining(join(import.meta.filename, 'home')),
    })
  })

  it('gives DuckDB the threads and the memory that the settings say', async () => {
    const settings = { LAKE_HOME: folder, DUCKDB_THREADS: '3', DUCKDB_MEMORY_LIMIT: '512MiB' }
    await using platform = openPlatform(readConfig(settings))

    const duckdb = await platform.duckdb()

    const asked = `select current_setting('threads') as threads, current_setting('memory_limit') as memory`
    expect(await duckdb.use((session) => session.row(asked))).toMatchObject({
      threads: 3n,
      memory: '512.0 MiB',
    })
  })

  it('gives each platform of a home a place of its own to spill to, and leaves none behind', async () => {
    const [one, two] = [platformOf(folder), platformOf(folder)]
    const settings = []
    for (const platform of [one, two]) {
      const duckdb = await platform.duckdb()
      const row = await duckdb.use((session) => session.row(`select current_setting('temp_directory') as at`))
      settings.push(row['at'])
    }
    const made = await readdir(join(folder, 'tmp'))
    await one[Symbol.asyncDispose]()
    await two[Symbol.asyncDispose]()

    expect(settings).toEqual([one.temporaryDirectory, two.temporaryDirectory])
    expect(new Set(settings).size).toBe(2)
    expect(made).toHaveLength(2)
    expect(await readdir(join(folder, 'tmp'))).toEqual([])
  })

  it.each([
    ['runs', 'METADATA_URL', 'mysql://lake@127.0.0.1:PORT/lake'],
    ['log', 'KAFKA_BROKERS', '127.0.0.1:PORT'],
  ] as const)('gives up opening %s when aborted, where its server never answers', async (part, name, value) => {
    const sockets: Socket[] = []
    const server = createServer((socket) => sockets.push(socket.on('error', () => undefined)))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    const port = typeof address === 'object' ? String(address?.port) : ''
    const [controller, reason] = [new AbortController(), new Error('stop')]
    const config = readConfig({ LAKE_HOME: folder, [name]: value.replace('PORT', port) })
    const platform = openPlatform(config, { signal: controller.signal })
    const opened = platform[part]()
    await once(server, 'connection')
    const abortedMs = performance.now()
    controller.abort(reason)

    await expect(opened).rejects.toBe(reason)
    await platform[Symbol.asyncDispose]()
    // What Ctrl-C promises; the drivers try for longer.
    expect(performance.now() - abortedMs).toBeLessThan(5_000)
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  it('refuses a place for a table that it cannot reach', async () => {
    await using platform = platformOf(folder)

    await expect(platform.tableAt('gs://bucket/table')).rejects.toMatchObject({ code: 'USAGE' })
    await expect(platform.tableAt('s3://')).rejects.toMatchObject({ code: 'USAGE' })
    await expect(platform.tableAt('s3://key:hush@bucket/t')).rejects.not.toMatchObject({
      message: expect.stringContaining('hush'),
    })
  })
})
