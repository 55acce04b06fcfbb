/** Requests of every kind, well-formed and not: each has an answer, and one that fails says what in JSON. */
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ManualClock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { seededRandom } from '../../pipeline/producer/random.ts'
import { type ConsoleParts, createConsole } from '../console.ts'
import { unaudited } from '../readings/books.ts'
import { routes } from './index.ts'
import { errorSchema } from './openapi.ts'

const seed = Number(process.env['LAKE_FUZZ_SEED'] ?? Date.now() % 1_000_000_007)
const requests = 1_000
const rawRequests = 150

const parts: ConsoleParts = {
  clickhouse: { query: async () => [], ping: async () => undefined },
  tables: async () => [],
  runs: {
    list: async () => [],
    show: async (id) => {
      throw new LakeError('RUN_MISSING', `Run ${id}: there is no such run`)
    },
  },
  books: async () => unaudited,
  hintOf: () => 'Do this.',
  clock: new ManualClock(Date.parse('2026-11-23T08:00:00Z')),
}
const app = createConsole(parts, { host: '127.0.0.1', port: 0, allowedHosts: ['127.0.0.1'] })
let port = 0
beforeAll(async () => {
  await app.listen({ host: '127.0.0.1', port: 0 })
  const address = app.server.address()
  port = typeof address === 'object' && address !== null ? address.port : 0
})
afterAll(() => app.close())

const { below } = seededRandom(seed)
const oneOf = <T>(values: readonly [T, ...T[]]): T => values[below(values.length)] ?? values[0]
const some = (most: number, make: () => string): string =>
  Array.from({ length: below(most + 1) }, make).join('')

const odd = (): string =>
  oneOf([
    '',
    '1',
    '-1',
    '0',
    '1e999',
    'NaN',
    'null',
    '2026-02-30',
    '2026-11-23',
    'daily_active_users',
    'daily-active-users',
    '__proto__',
    'constructor',
    '%2e%2e%2f',
    '..',
    '%00',
    '%',
    '%zz',
    '%c0%af',
    "'; drop table x; --",
    '\u{1F600}',
    '{id}',
    ':id',
    '[object Object]',
    'a'.repeat(1 + below(400)),
    '9'.repeat(1 + below(40)),
  ])

const paths = routes.map(({ path }) => path)

function randomPath(): string {
  const path = oneOf(['/', ...paths]).replace(/\{\w+\}/g, odd)
  const broken = below(4) === 0 ? path + some(3, () => `/${odd()}`) : path
  return (
    broken +
    (below(2) === 0
      ? ''
      : `?${some(4, () => `${oneOf(['minutes', 'from', 'to', 'limit', 'token', odd()])}=${odd()}&`)}`)
  )
}

const methods = ['GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'] as const
const headerNames = [
  'accept',
  'content-type',
  'authorization',
  'cookie',
  'origin',
  'range',
  'if-none-match',
  'x-more',
] as const
const headerValues = (): string =>
  oneOf([
    'application/json',
    'text/plain',
    'multipart/form-data',
    'Bearer x',
    '*/*',
    'bytes=0-1',
    'null',
    'a=b; c',
    'x'.repeat(below(2_000)),
  ])
const bodies = (): string =>
  oneOf(['', '{}', '{', '[1,2', 'null', '"\\ud800"', '{"__proto__":{"a":1}}', 'x'.repeat(below(5_000))])

/** What is wrong with an answer, or nothing. */
function faultOf(asked: string, status: number, body: string): string[] {
  if (status >= 500 && status !== 503) return [`${asked}: ${status} ${body.slice(0, 200)}`]
  if (status < 400) return []
  try {
    errorSchema.parse(JSON.parse(body))
    return []
  } catch {
    return [`${asked}: ${status} with ${JSON.stringify(body.slice(0, 200))}`]
  }
}

describe(`the console, asked at random, seed ${seed} (LAKE_FUZZ_SEED)`, () => {
  it(`has an answer to each of ${requests} requests, and says in JSON what it does not do`, async () => {
    const faults: string[] = []
    const statuses = new Set<number>()
    for (let n = 0; n < requests; n++) {
      const [method, url] = [oneOf(methods), randomPath()]
      const headers: Record<string, string> = { host: below(20) === 0 ? odd() : '127.0.0.1' }
      for (let more = below(3); more > 0; more--) headers[oneOf(headerNames)] = headerValues()
      const payload = method === 'GET' || method === 'HEAD' ? undefined : bodies()
      const asked = `${method} ${url} ${JSON.stringify(headers)} ${payload?.slice(0, 50)}`
      const answer = await app.inject({ method, url, headers, ...(payload !== undefined && { payload }) })
      statuses.add(answer.statusCode)
      if (method !== 'HEAD') faults.push(...faultOf(asked, answer.statusCode, answer.body))
      else if (answer.statusCode >= 500) faults.push(`${asked}: ${answer.statusCode}`)
    }

    expect(faults).toEqual([])
    expect([...statuses]).toEqual(expect.arrayContaining([200, 400, 403, 404]))
  })

  it(`answers or hangs up on each of ${rawRequests} connections that speak no right HTTP`, async () => {
    const faults: string[] = []
    let answered = 0
    for (let n = 0; n < rawRequests; n++) {
      const line = oneOf([
        `GET ${randomPath().replaceAll(' ', '')} HTTP/1.1`,
        `${odd()} / HTTP/1.1`,
        `GET / HTTP/${odd()}`,
        odd(),
        '\0'.repeat(below(50)),
      ])
      const headers = some(
        4,
        () =>
          `${oneOf([...headerNames, 'host', 'content-length', 'transfer-encoding', ' odd'])}${oneOf([': ', ':', ' '])}${oneOf([odd(), headerValues()])}\r\n`,
      )
      const text = `${line}\r\n${headers}\r\n${bodies()}`
      const { status, body } = await ask(text)
      if (status === undefined) continue
      answered += 1
      faults.push(...faultOf(JSON.stringify(text.slice(0, 300)), status, body))
    }

    expect(faults).toEqual([])
    expect(answered).toBeGreaterThan(0)
  })
})

interface RawAnswer {
  /** `undefined` if the server hangs up without a word. */
  readonly status: number | undefined
  readonly body: string
}

/** The first answer to what is said at once, and then no more. */
function ask(text: string): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = []
    const socket = connect(port, '127.0.0.1', () => socket.end(text))
    socket.on('data', (piece) => pieces.push(piece))
    // What is still being said when the server hangs up.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      const said = Buffer.concat(pieces)
      const end = said.indexOf('\r\n\r\n')
      const head = said.subarray(0, Math.max(end, 0)).toString()
      const status = /^HTTP\/1\.1 (?<status>\d{3})/.exec(head)?.groups?.['status']
      const length = Number(/\r\ncontent-length: (?<length>\d+)/i.exec(head)?.groups?.['length'] ?? 0)
      const body = said.subarray(end + 4, end + 4 + length).toString()
      resolve({ status: status === undefined ? undefined : Number(status), body })
    })
  })
}
