import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildModules } from '../base/built.fixture.ts'
import { openS3Store } from './store.s3.ts'
import type { ObjectStore } from './store.ts'

type Answer = (response: ServerResponse, request: IncomingMessage) => void

const status =
  (code: number, body = ''): Answer =>
  (response) =>
    void response.writeHead(code, { 'content-type': 'application/xml' }).end(body)
const failure = (code: number, name: string): Answer =>
  status(code, `<Error><Code>${name}</Code><Message>told so</Message></Error>`)
const cut: Answer = (response) => void response.destroy()

/** A server that keeps the condition for the probe, and answers everything else as the script says. */
let script: Answer[]
let calls: string[]
let honoursCondition: boolean
let onDelete: Answer
let server: Server
let endpoint: string
let cacheDirectory: string

beforeEach(async () => {
  script = []
  calls = []
  honoursCondition = true
  onDelete = status(200, '<DeleteResult/>')
  const probes = new Set<string>()
  server = createServer((request, response) => {
    request.resume().once('end', () => {
      const { method = '', url = '' } = request
      if (method === 'POST') return onDelete(response, request)
      if (url.includes('.lakeshore-probe-')) {
        const isSecond = probes.has(url)
        probes.add(url)
        return status(isSecond && honoursCondition ? 412 : 200)(response, request)
      }
      calls.push(`${method} ${request.headers['if-none-match'] ?? ''}`.trim())
      return (script.shift() ?? status(200))(response, request)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  endpoint = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  cacheDirectory = await mkdtemp(join(tmpdir(), 'lakeshore-s3-'))
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await rm(cacheDirectory, { recursive: true, force: true })
})

const open = (options: { readonly knownKeys?: number } = {}): ObjectStore =>
  openS3Store({
    bucket: 'lake',
    prefix: 'tables',
    endpoint,
    region: 'us-east-1',
    accessKey: 'key',
    secretKey: 'secret',
    cacheDirectory,
    ...options,
  })

const bytes = new TextEncoder().encode('x')

describe('putIfAbsent(key, bytes)', () => {
  it('sends the same conditional put again after a conflict in flight, a failure and a cut line', async () => {
    await using store = open()
    script = [failure(409, 'ConditionalRequestConflict'), failure(503, 'SlowDown'), cut, status(200)]

    expect(await store.putIfAbsent('log/1', bytes)).toBe('created')
    expect(calls).toEqual(['PUT *', 'PUT *', 'PUT *', 'PUT *'])
  })

  it('answers exists when the first put took effect and its answer was lost', async () => {
    await using store = open()
    script = [cut, failure(412, 'PreconditionFailed')]

    expect(await store.putIfAbsent('log/1', bytes)).toBe('exists')
  })

  it('gives up after five attempts as STORE_UNAVAILABLE, naming key and server', async () => {
    await using store = open()
    script = Array.from({ length: 9 }, () => failure(503, 'SlowDown'))

    await expect(store.putIfAbsent('log/1', bytes)).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining(`Create log/1 in s3://lake/tables at ${endpoint}`),
    })
    expect(calls).toHaveLength(5)
  })

  it('refuses a store that ignores the condition before anything is written there', async () => {
    await using store = open()
    honoursCondition = false

    for (const write of [
      () => store.putIfAbsent('log/1', bytes),
      () => store.put('hint', bytes),
      () => store.publish(['part']),
    ]) {
      await expect(write()).rejects.toMatchObject({
        code: 'STORE_REFUSED',
        message: expect.stringContaining(endpoint),
      })
    }
    expect(calls).toEqual([])
  })
})

describe('a refused request', () => {
  it.each([
    [403, 'AccessDenied', 'STORE_REFUSED'],
    [404, 'NoSuchBucket', 'STORE_REFUSED'],
    [400, 'AuthorizationHeaderMalformed', 'STORE_REFUSED'],
    [404, 'NoSuchKey', 'OBJECT_MISSING'],
  ])('is not repeated: %i %s is %s', async (code, name, expected) => {
    await using store = open()
    script = [failure(code, name)]

    await expect(store.read('a')).rejects.toMatchObject({ code: expected })
    expect(calls).toEqual(['GET'])
  })
})

describe('delete(keys)', () => {
  it('names the first of many keys, and how many there are', async () => {
    await using store = open()
    onDelete = failure(403, 'AccessDenied')

    await expect(store.delete(['a', 'b', 'c'])).rejects.toMatchObject({
      message: expect.stringContaining('Delete 3 objects from a on in s3://lake/tables'),
    })
  })
})

describe('localFile(key)', () => {
  const body =
    (text: string, eTag: string): Answer =>
    (response) =>
      void response.writeHead(200, { etag: eTag, 'content-length': text.length }).end(text)

  it('downloads a key once, also for another store of the same cache, and again after a cut line', async () => {
    await using first = open()
    await using second = open()
    script = [
      body('', 'e'),
      (response) => {
        response.writeHead(200, { 'content-length': 10 }).write('half')
        setImmediate(() => response.destroy())
      },
      body('whole text', 'e'),
      body('', 'e'),
    ]

    await first.localFile('part-1')
    await first.localFile('part-1')
    await second.localFile('part-1')

    expect(calls).toEqual(['HEAD', 'GET', 'GET', 'HEAD'])
  })

  it('asks again for the content of a key that it has forgotten, and copies it no second time', async () => {
    await using store = open({ knownKeys: 1 })
    script = [body('', 'e'), body('a', 'e'), body('', 'e'), body('b', 'e'), body('', 'e')]

    for (const key of ['part-a', 'part-b', 'part-b', 'part-a']) await store.localFile(key)

    expect(calls).toEqual(['HEAD', 'GET', 'HEAD', 'GET', 'HEAD'])
  })

  it('copies a key that was written again, if it is asked to be fresh', async () => {
    await using store = open()
    script = [body('', 'e'), body('one', 'e'), body('', 'f'), body('two', 'f')]
    await store.localFile('hint')

    expect(await readFile(await store.localFile('hint', { fresh: true }), 'utf8')).toBe('two')
    expect(calls).toEqual(['HEAD', 'GET', 'HEAD', 'GET'])
  })

  it('rejects with the abort reason', async () => {
    await using store = open()
    const reason = new Error('shutting down')

    await expect(store.localFile('part-1', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })
})

describe('list(prefix)', () => {
  it('leaves out the empty object by which other tools make a folder of the root', async () => {
    await using store = open()
    const contents = ['tables/', 'tables/log/1'].map((key) => `<Contents><Key>${key}</Key></Contents>`)
    script = [status(200, `<ListBucketResult>${contents.join('')}</ListBucketResult>`)]

    const listed = []
    for await (const { key } of store.list('')) listed.push(key)

    expect(listed).toEqual(['log/1'])
  })

  it('refuses a store that does not list in byte order', async () => {
    await using store = open()
    const contents = ['tables/log/2', 'tables/log/1'].map((key) => `<Contents><Key>${key}</Key></Contents>`)
    script = [status(200, `<ListBucketResult>${contents.join('')}</ListBucketResult>`)]

    const listing = async (): Promise<void> => {
      for await (const _ of store.list('log/')) void _
    }

    await expect(listing()).rejects.toMatchObject({ code: 'STORE_REFUSED' })
  })
})

it('says nothing of the age of Node, which the SDK would on every command', async () => {
  const built = await buildModules(['lib/storage/store.s3.ts'])
  const store = pathToFileURL(built.fileOf('lib/storage/store.s3.ts')).href
  const program = `
    const { openS3Store } = await import(${JSON.stringify(store)})
    const place = { endpoint: 'http://127.0.0.1:1', bucket: 'b', prefix: '', cacheDirectory: '/nowhere' }
    openS3Store({ ...place, region: 'r', accessKey: 'a', secretKey: 's' })
    // A warning is written after the turn in which it was given.
    setImmediate(() => process.exit(0))`
  const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program])

  expect(stderr).toBe('')
})
