/** What the client does when the server does not answer in one piece, against a server that plays a script. */
import {
  type GrpcObject,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceClientConstructor,
} from '@grpc/grpc-js'
import { fromJSON } from '@grpc/proto-loader'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../base/clock.ts'
import { parseConnectUrl } from './connect-url.ts'
import { grpcStatus } from './failure.ts'
import { protocol } from './messages.ts'
import { openSparkConnect, type SparkConnect } from './spark-connect.ts'

type Request = Readonly<Record<string, unknown>>
type Stream = ServerWritableStream<Request, Request>

/** What the server does with the streams that are asked of it, one after the other. */
let script: ((call: Stream) => void)[] = []
let asked: { readonly name: string; readonly request: Request; readonly token: unknown }[] = []
let server: Server
let connect: SparkConnect

const answer = (call: Stream, ...ids: readonly number[]): void => {
  for (const id of ids) call.write({ response_id: `r${id}`, arrow_batch: { data: Buffer.from([id]) } })
}
const complete = (call: Stream): void => {
  call.write({ response_id: 'last', result_complete: {} })
  call.end()
}
const fail = (call: Stream, code: number, details: string): void => {
  call.emit('error', Object.assign(new Error(details), { code, details }))
}

beforeEach(async () => {
  ;[script, asked] = [[], []]
  server = new Server()
  const loaded = loadPackageDefinition(fromJSON(protocol, { keepCase: true, defaults: false }))
  const { SparkConnectService } = (loaded['spark'] as GrpcObject)['connect'] as {
    readonly SparkConnectService: ServiceClientConstructor
  }
  const note = (
    name: string,
    call: { readonly request: Request; readonly metadata: Stream['metadata'] },
  ): void => void asked.push({ name, request: call.request, token: call.metadata.get('authorization')[0] })
  const streaming = (name: string) => (call: Stream) => {
    note(name, call)
    script.shift()?.(call)
  }
  const unary =
    (name: string) =>
    (call: ServerUnaryCall<Request, Request>, done: (error: null, value: Request) => void) => {
      note(name, call)
      done(null, {})
    }
  server.addService(SparkConnectService.service, {
    ExecutePlan: streaming('ExecutePlan'),
    ReattachExecute: streaming('ReattachExecute'),
    ReleaseExecute: unary('ReleaseExecute'),
    ReleaseSession: unary('ReleaseSession'),
    Interrupt: unary('Interrupt'),
    Config: unary('Config'),
    AnalyzePlan: unary('AnalyzePlan'),
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    )
  })
  connect = openSparkConnect({ url: `sc://127.0.0.1:${port}`, token: 'of-a-test', clock: impatient })
})
afterEach(async () => {
  await connect[Symbol.asyncDispose]()
  server.forceShutdown()
})

/** Waits for nothing. */
const impatient = Object.assign(new ManualClock(0), { sleep: async () => undefined })

async function read(options: { readonly signal?: AbortSignal } = {}): Promise<readonly number[]> {
  const heard: number[] = []
  await connect.session({}, async (session) => {
    for await (const [byte = -1] of session.arrow({ sql: { query: 'select 1' } }, options)) heard.push(byte)
  })
  return heard
}

const named = (name: string): readonly Request[] =>
  asked.filter((each) => each.name === name).map(({ request }) => request)

describe('an operation', () => {
  it('is read on behind the last answer where the server ends the stream early', async () => {
    script = [
      (call) => {
        answer(call, 1, 2)
        call.end()
      },
      (call) => {
        answer(call, 3)
        complete(call)
      },
    ]

    expect(await read()).toEqual([1, 2, 3])

    const [sent] = named('ExecutePlan')
    expect(named('ReattachExecute')).toMatchObject([
      { operation_id: sent?.['operation_id'], session_id: sent?.['session_id'], last_response_id: 'r2' },
    ])
    await expect
      .poll(() => named('ReleaseExecute'))
      .toMatchObject([{ operation_id: sent?.['operation_id'], release_all: {} }])
  })

  it('is never sent again where the connection breaks: the client attaches to it', async () => {
    script = [
      (call) => {
        answer(call, 1)
        fail(call, grpcStatus.unavailable, 'Connection dropped')
      },
      (call) => fail(call, grpcStatus.unavailable, 'Connection dropped'),
      (call) => {
        answer(call, 2)
        complete(call)
      },
    ]

    expect(await read()).toEqual([1, 2])
    expect(named('ExecutePlan')).toHaveLength(1)
    expect(named('ReattachExecute').map((request) => request['last_response_id'])).toEqual(['r1', 'r1'])
  })

  it('fails where the server has forgotten it, and is not sent again', async () => {
    script = [
      (call) => fail(call, grpcStatus.unavailable, 'Connection dropped'),
      (call) => fail(call, grpcStatus.notFound, '[INVALID_HANDLE.OPERATION_NOT_FOUND] no such operation'),
    ]

    await expect(read()).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE', retryable: true })
    expect(named('ExecutePlan')).toHaveLength(1)
  })

  it('tells the server now and then what it need not keep any longer', async () => {
    script = [
      (call) => {
        answer(call, ...Array.from({ length: 20 }, (_, at) => at + 1))
        complete(call)
      },
    ]

    await read()

    await expect
      .poll(() => named('ReleaseExecute'))
      .toMatchObject([{ release_until: { response_id: 'r16' } }, { release_all: {} }])
  })

  it('fails after some attempts if the server stays away', async () => {
    script = Array.from({ length: 20 }, () => (call: Stream) => fail(call, grpcStatus.unavailable, 'gone'))

    await expect(read()).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' })
    expect(named('ReattachExecute').length).toBeLessThan(10)
  })

  it('is interrupted at the server if it is aborted, and throws the reason', async () => {
    const aborting = new AbortController()
    const reason = new Error('enough')
    script = [
      (call) => {
        answer(call, 1)
        setImmediate(() => aborting.abort(reason))
        const until = setInterval(() => {
          if (named('Interrupt').length === 0) return
          clearInterval(until)
          fail(call, grpcStatus.internal, 'OPERATION_CANCELED')
        }, 1)
      },
    ]

    await expect(read({ signal: aborting.signal })).rejects.toBe(reason)

    const [sent] = named('ExecutePlan')
    expect(named('Interrupt')).toMatchObject([{ operation_id: sent?.['operation_id'], interrupt_type: 3 }])
  })

  it.each([
    [grpcStatus.unauthenticated, 'Invalid token', 'ENGINE_REFUSED'],
    [grpcStatus.internal, '[TABLE_OR_VIEW_NOT_FOUND] nowhere', 'SQL_INVALID'],
    [grpcStatus.internal, 'IO error: No space left on device (os error 28)', 'DISK_FULL'],
    [grpcStatus.internal, 'java.lang.OutOfMemoryError: Java heap space', 'ENGINE_OUT_OF_MEMORY'],
    [grpcStatus.internal, 'Job aborted due to stage failure: Lost task 0.0', 'ENGINE_UNAVAILABLE'],
    [grpcStatus.internal, 'something else', 'ENGINE_FAILED'],
  ])('that ends in status %i, %s, fails with %s', async (code, said, expected) => {
    script = [(call) => fail(call, code, said)]
    await expect(read()).rejects.toMatchObject({ code: expected, message: expect.stringContaining(said) })
  })
})

it('says of a server that is not there what the system says, and nothing of its own client', async () => {
  await using nowhere = openSparkConnect({ url: 'sc://127.0.0.1:1' })

  await expect(nowhere.session({ 'spark.sql.session.timeZone': 'UTC' }, async () => 1)).rejects.toMatchObject(
    {
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringMatching(
        /no answer from sc:\/\/127\.0\.0\.1:1: .*ECONNREFUSED 127\.0\.0\.1:1\.?$/,
      ),
    },
  )
})

it('sends the token with each call', async () => {
  script = [complete]
  await read()
  expect(asked.map(({ token }) => token)).toEqual(asked.map(() => 'Bearer of-a-test'))
})

describe('parseConnectUrl(text)', () => {
  it.each([
    ['sc://spark', { host: 'spark', port: 15_002, usesTls: false, token: undefined }],
    ['sc://10.0.0.1:443/;use_ssl=true', { host: '10.0.0.1', port: 443, usesTls: true, token: undefined }],
    ['sc://[::1]:15002/', { host: '[::1]', port: 15_002, usesTls: false, token: undefined }],
    ['sc://spark/;token=a%3Bb', { host: 'spark', port: 15_002, usesTls: true, token: 'a;b' }],
  ])('reads %s', (text, expected) => {
    expect(parseConnectUrl(text)).toEqual(expected)
  })

  it.each([
    'spark:15002',
    'sc://',
    'sc://me@spark',
    'sc://spark:99999',
    'sc://spark/;ssl=yes',
    'sc://spark/;use_ssl=1',
    'sc://spark/x',
  ])('refuses %s', (text) => {
    expect(() => parseConnectUrl(text)).toThrow(/Spark Connect: /)
  })

  it('shows no token', () => {
    expect(() => parseConnectUrl('sc://spark/;token=%E0%A4%A;use_ssl=true')).toThrow(/^(?!.*%E0).*token/)
  })
})
