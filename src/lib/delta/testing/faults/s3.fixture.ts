/** An S3 server in this process: conditional puts, listings, deletes, and one fault where a test wants it. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { S3StoreOptions } from '../../../storage/store.s3.ts'

/**
 * - `forgotten`: the next conditional put is made, and not answered: the one after it is refused with 412
 * - `conflict`: the next conditional put has 409, and is not made; `unavailable`: 503, and nothing is done
 * - `cut`: the line goes before anything is done; `lost`: after it was done; `half`: in the midst of the answer
 * - `slow`: the answer takes its time
 */
export const s3Faults = ['forgotten', 'conflict', 'unavailable', 'cut', 'lost', 'half', 'slow'] as const
export type S3Fault = (typeof s3Faults)[number]

const bucket = 'lake'
const slowMs = 60

export class FakeS3 implements AsyncDisposable {
  readonly objects = new Map<string, Buffer>()
  /** Faults that a request has met. */
  readonly met = new Map<S3Fault, number>()
  /** Requests since the fault was set. */
  requests = 0
  #fault: { readonly kind: S3Fault; readonly at: number } | undefined
  readonly #server = createServer((request, response) => void this.#answer(request, response))

  static async open(): Promise<FakeS3> {
    const fake = new FakeS3()
    await new Promise<void>((listening) => fake.#server.listen(0, '127.0.0.1', listening))
    return fake
  }

  get options(): Omit<S3StoreOptions, 'cacheDirectory' | 'clock'> {
    const address = this.#server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    return {
      bucket,
      prefix: 't',
      endpoint: `http://127.0.0.1:${port}`,
      region: 'us-east-1',
      accessKey: 'key',
      secretKey: 'secret',
    }
  }

  set fault(fault: { readonly kind: S3Fault; readonly at: number } | undefined) {
    this.#fault = fault
    this.requests = 0
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Uint8Array[] = []
    for await (const part of request) parts.push(part as Uint8Array)
    const body = Buffer.concat(parts)
    const kind = this.#faultOf(this.requests++, request)
    if (kind === 'cut') return void response.destroy()
    if (kind === 'unavailable') return send(response, 503, '<Error><Code>SlowDown</Code></Error>')
    if (kind === 'conflict') {
      return send(response, 409, '<Error><Code>ConditionalRequestConflict</Code></Error>')
    }
    if (kind === 'slow') await new Promise((wake) => setTimeout(wake, slowMs))
    const { status, content, eTag } = this.#serve(request, body)
    if (kind === 'lost' || kind === 'forgotten') return void response.destroy()
    if (kind === 'half' && content.length > 1) {
      response.writeHead(status, { 'content-length': content.length }).write(content.subarray(0, 1))
      setImmediate(() => response.destroy())
      return
    }
    const isHead = request.method === 'HEAD'
    response.writeHead(status, {
      'content-length': content.length,
      ...(eTag !== undefined && { etag: eTag }),
    })
    response.end(isHead ? undefined : content)
  }

  #faultOf(at: number, { headers }: IncomingMessage): S3Fault | undefined {
    const fault = this.#fault
    if (fault === undefined || at < fault.at) return undefined
    const isOfPuts = fault.kind === 'conflict' || fault.kind === 'forgotten'
    if (isOfPuts && headers['if-none-match'] === undefined) return undefined
    this.#fault = undefined
    this.met.set(fault.kind, (this.met.get(fault.kind) ?? 0) + 1)
    return fault.kind
  }

  #serve(
    { method, url = '', headers }: IncomingMessage,
    body: Buffer,
  ): { readonly status: number; readonly content: Buffer; readonly eTag?: string } {
    const { pathname, searchParams } = new URL(url, 'http://fake')
    const key = decodeURIComponent(pathname.slice(bucket.length + 2))
    const answer = (status: number, text = ''): { status: number; content: Buffer } => ({
      status,
      content: Buffer.from(text),
    })
    if (method === 'GET' && searchParams.has('list-type')) return answer(200, this.#listing(searchParams))
    if (method === 'POST') {
      for (const [, gone = ''] of body.toString().matchAll(/<Key>(.*?)<\/Key>/g)) this.objects.delete(gone)
      return answer(200, '<DeleteResult/>')
    }
    const stored = this.objects.get(key)
    if (method === 'PUT') {
      if (headers['if-none-match'] === '*' && stored !== undefined) {
        return answer(412, '<Error><Code>PreconditionFailed</Code></Error>')
      }
      this.objects.set(key, body)
      return { ...answer(200), eTag: eTagOf(body) }
    }
    if (stored === undefined) return answer(404, '<Error><Code>NoSuchKey</Code></Error>')
    return { status: 200, content: stored, eTag: eTagOf(stored) }
  }

  #listing(query: URLSearchParams): string {
    const [prefix, after] = [query.get('prefix') ?? '', query.get('start-after') ?? '']
    const contents = [...this.objects]
      .filter(([key]) => key.startsWith(prefix) && key > after)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([key, bytes]) =>
          `<Contents><Key>${key}</Key><Size>${bytes.length}</Size><LastModified>${new Date().toISOString()}</LastModified><ETag>${eTagOf(bytes).replaceAll('"', '&quot;')}</ETag></Contents>`,
      )
    return `<ListBucketResult>${contents.join('')}</ListBucketResult>`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((closed) => this.#server.close(closed))
  }
}

function send(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' }).end(text)
}

function eTagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`
}
