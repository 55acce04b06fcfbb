/**
 * Objects in a bucket of S3, or of a server that speaks its language.
 *
 * `putIfAbsent` is a conditional put (`If-None-Match: *`). A server that ignores the condition would let two
 * writers commit one version, so it is refused before the first write. An answer `exists` may mean our own
 * put whose answer was lost; the Delta commit tells by its transaction id.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
import { randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { type Clock, systemClock } from '../base/clock.ts'
import { isLakeError, LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { retry } from '../base/retry.ts'
import { fileFailure } from './file-failure.ts'
import { LocalCopies } from './local-copies.ts'
import { hasStatus, s3Failure } from './s3-failure.ts'
import {
  compareUtf8,
  type LocalFileOptions,
  type ObjectMeta,
  type ObjectStore,
  type PutOutcome,
  requireKeyWithin,
} from './store.ts'

export interface S3StoreOptions {
  readonly bucket: string
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string
  /** Of a server other than AWS; buckets are then named in the path. */
  readonly endpoint?: string | undefined
  readonly region: string
  /** Without a key the SDK's own sources are asked: environment, profile, instance. */
  readonly accessKey?: string | undefined
  readonly secretKey?: string | undefined
  /** Absolute; for copies of data files and for files that are staged. May be shared between processes. */
  readonly cacheDirectory: string
  /** Default 2 GiB. */
  readonly cacheBytes?: number
  /** Keys whose content is known without asking; the one unused for longest is forgotten first. Default 10,000. */
  readonly knownKeys?: number
  readonly clock?: Clock
}

const maxKeysPerDelete = 1_000

/** Nothing is asked of the server before the first operation. */
export function openS3Store(options: S3StoreOptions): ObjectStore {
  return new S3Store(options)
}

class S3Store implements ObjectStore {
  readonly uri: string
  readonly stagingRoot: string
  readonly #client: S3Client
  readonly #bucket: string
  readonly #prefix: string
  readonly #where: string
  readonly #copies: LocalCopies
  readonly #clock: Clock
  /** Key → identity of the content that was handed out as a local file, the latest last. */
  readonly #identities = new Map<string, string>()
  readonly #knownKeys: number
  #honoured: Promise<void> | undefined

  constructor({
    bucket,
    prefix,
    endpoint,
    region,
    accessKey,
    secretKey,
    cacheDirectory,
    cacheBytes = 2 * 1024 ** 3,
    knownKeys = 10_000,
    clock = systemClock,
  }: S3StoreOptions) {
    this.#bucket = bucket
    this.#prefix = prefix === '' ? '' : `${prefix}/`
    this.uri = prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`
    this.#where = endpoint ?? `AWS ${region}`
    this.#clock = clock
    this.#knownKeys = knownKeys
    this.#copies = new LocalCopies({ directory: cacheDirectory, maxBytes: cacheBytes, clock })
    this.stagingRoot = this.#copies.staging
    this.#client = withoutNotice(
      () =>
        new S3Client({
          region,
          // Ours is the only loop that tries again, so that each attempt is counted once.
          maxAttempts: 1,
          requestHandler: { connectionTimeout: 5_000, socketTimeout: 30_000 },
          // Checksums that only AWS knows make other servers fail.
          requestChecksumCalculation: 'WHEN_REQUIRED',
          responseChecksumValidation: 'WHEN_REQUIRED',
          ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
          ...(accessKey !== undefined &&
            secretKey !== undefined && {
              credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
            }),
        }),
    )
  }

  async read(key: string, { signal }: IoOptions = {}): Promise<Uint8Array> {
    requireKeyWithin(this.uri, key)
    return this.#attempt('Read', key, { signal }, async () => {
      const { Body } = await this.#client.send(new GetObjectCommand(this.#at(key)), abortable(signal))
      return Body === undefined ? new Uint8Array() : Body.transformToByteArray()
    })
  }

  async head(key: string, { signal }: IoOptions = {}): Promise<ObjectMeta | undefined> {
    requireKeyWithin(this.uri, key)
    const found = await this.#look(key, { signal })
    return found?.meta
  }

  async *list(
    prefix: string,
    { signal, startAfter = '' }: IoOptions & { readonly startAfter?: string } = {},
  ): AsyncIterable<ObjectMeta> {
    requireKeyWithin(this.uri, prefix)
    let last = startAfter
    for (let isTruncated = true; isTruncated; ) {
      const page = await this.#attempt('List', prefix, { signal }, () =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: this.#prefix + prefix,
            ...(last !== '' && { StartAfter: this.#prefix + last }),
          }),
          abortable(signal),
        ),
      )
      for (const { Key = '', Size = 0, LastModified, ETag } of page.Contents ?? []) {
        const key = Key.slice(this.#prefix.length)
        // An empty object of the root's own name: how consoles and file managers make a folder.
        if (key === '') continue
        if (compareUtf8(key, last) <= 0) throw this.#unordered(last, key)
        last = key
        yield metaOf(key, Size, LastModified, ETag)
        signal?.throwIfAborted()
      }
      isTruncated = page.IsTruncated === true && (page.Contents?.length ?? 0) > 0
    }
  }

  async putIfAbsent(key: string, bytes: Uint8Array, { signal }: IoOptions = {}): Promise<PutOutcome> {
    requireKeyWithin(this.uri, key)
    await this.#requireConditionalPuts({ signal })
    return this.#createOnce(key, bytes, { signal })
  }

  async put(key: string, bytes: Uint8Array, { signal }: IoOptions = {}): Promise<void> {
    requireKeyWithin(this.uri, key)
    await this.#requireConditionalPuts({ signal })
    await this.#attempt('Replace', key, { signal }, () =>
      this.#client.send(new PutObjectCommand({ ...this.#at(key), Body: bytes })),
    )
    this.#identities.delete(key)
  }

  async delete(keys: readonly string[], { signal }: IoOptions = {}): Promise<void> {
    for (const key of keys) requireKeyWithin(this.uri, key)
    for (let from = 0; from < keys.length; from += maxKeysPerDelete) {
      const some = keys.slice(from, from + maxKeysPerDelete)
      const Objects = some.map((key) => ({ Key: this.#prefix + key }))
      const which = some.length === 1 ? `${some[0]}` : `${some.length} objects from ${some[0]} on`
      await this.#attempt('Delete', which, { signal }, async () => {
        const { Errors = [] } = await this.#client.send(
          new DeleteObjectsCommand({ Bucket: this.#bucket, Delete: { Objects, Quiet: true } }),
        )
        const failed = Errors.find(({ Code }) => Code !== 'NoSuchKey')
        if (failed !== undefined) {
          throw new LakeError(
            failed.Code === 'AccessDenied' ? 'STORE_REFUSED' : 'STORE_UNAVAILABLE',
            `Delete ${failed.Key} in ${this.#bucket} at ${this.#where}: ${failed.Code} ${failed.Message}`,
          )
        }
      })
      for (const key of some) this.#identities.delete(key)
    }
  }

  async localFile(key: string, { fresh = false, signal }: LocalFileOptions = {}): Promise<string> {
    requireKeyWithin(this.uri, key)
    let identity = fresh ? undefined : this.#identities.get(key)
    if (identity === undefined) {
      const found = await this.#look(key, { signal })
      if (found === undefined) {
        throw new LakeError('OBJECT_MISSING', `Copy: no object at ${this.uri}/${key}`, { details: { key } })
      }
      identity = this.#identity(key, found.eTag)
    }
    const path = await this.#copies.file(identity, (target) => this.#download(key, target, { signal }))
    this.#know(key, identity)
    return path
  }

  async publish(keys: readonly string[], { signal }: IoOptions = {}): Promise<void> {
    for (const key of keys) requireKeyWithin(this.uri, key)
    await this.#requireConditionalPuts({ signal })
    for (const key of keys) {
      signal?.throwIfAborted()
      const path = join(this.stagingRoot, key)
      const { size } = await stat(path).catch((error: unknown) => {
        throw fileFailure('Upload', path, error)
      })
      const { ETag = randomUUID() } = await this.#attempt('Upload', key, { signal }, () =>
        this.#client.send(
          new PutObjectCommand({ ...this.#at(key), Body: createReadStream(path), ContentLength: size }),
          abortable(signal),
        ),
      )
      const identity = this.#identity(key, ETag)
      await this.#copies.adopt(identity, path)
      this.#know(key, identity)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy()
    await this.#copies[Symbol.asyncDispose]()
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key }
  }

  #know(key: string, identity: string): void {
    this.#identities.delete(key)
    this.#identities.set(key, identity)
    const [oldest] = this.#identities.keys()
    if (this.#identities.size > this.#knownKeys && oldest !== undefined) this.#identities.delete(oldest)
  }

  #identity(key: string, eTag: string): string {
    return [this.#where, this.uri, key, eTag].join('\n')
  }

  /** A put that has left is waited for: only before it, and between two attempts, may it be aborted. */
  async #createOnce(key: string, bytes: Uint8Array, options: IoOptions): Promise<PutOutcome> {
    return this.#attempt('Create', key, options, async () => {
      try {
        await this.#client.send(new PutObjectCommand({ ...this.#at(key), Body: bytes, IfNoneMatch: '*' }))
        return 'created'
      } catch (error) {
        if (hasStatus(error, 412)) return 'exists'
        throw error
      }
    })
  }

  #requireConditionalPuts(options: IoOptions): Promise<void> {
    this.#honoured ??= this.#probe(options).catch((error: unknown) => {
      this.#honoured = undefined
      throw error
    })
    return this.#honoured
  }

  async #probe(options: IoOptions): Promise<void> {
    const key = `.lakeshore-probe-${randomUUID()}`
    const refuse = (cause?: unknown): LakeError =>
      new LakeError(
        'STORE_REFUSED',
        `${this.#where}: does not honour If-None-Match, so two writers could both commit one version`,
        {
          cause,
          details: { endpoint: this.#where, bucket: this.#bucket, fault: 'no-conditional-writes' },
        },
      )
    try {
      await this.#createOnce(key, new Uint8Array(), options)
      if ((await this.#createOnce(key, new Uint8Array(), options)) === 'created') throw refuse()
    } catch (error) {
      throw isLakeError(error) && hasStatus(error.cause, 501) ? refuse(error.cause) : error
    } finally {
      // A writer need not have the right to delete; an empty probe harms nobody.
      await this.delete([key]).catch(() => undefined)
    }
  }

  async #look(
    key: string,
    { signal }: IoOptions,
  ): Promise<{ readonly meta: ObjectMeta; readonly eTag: string } | undefined> {
    try {
      return await this.#attempt('Look at', key, { signal }, async () => {
        const found = await this.#client.send(new HeadObjectCommand(this.#at(key)), abortable(signal))
        const { ContentLength = 0, LastModified, ETag } = found
        return { meta: metaOf(key, ContentLength, LastModified, ETag), eTag: ETag ?? randomUUID() }
      })
    } catch (error) {
      if (isLakeError(error, 'OBJECT_MISSING')) return undefined
      throw error
    }
  }

  async #download(key: string, path: string, { signal }: IoOptions): Promise<void> {
    await this.#attempt('Copy', key, { signal }, async () => {
      const answer = await this.#client.send(new GetObjectCommand(this.#at(key)), abortable(signal))
      const { Body, ContentLength } = answer
      if (!(Body instanceof Readable)) throw new LakeError('BUG', `Copy ${key}: the body is not a stream`)
      const target = createWriteStream(path)
      let targetError: unknown
      target.once('error', (error) => {
        targetError = error
      })
      await pipeline(Body, target, signal === undefined ? {} : { signal }).catch((error: unknown) => {
        throw error === targetError ? fileFailure('Copy to', path, error) : error
      })
      if (ContentLength !== undefined && target.bytesWritten !== ContentLength) {
        throw new LakeError(
          'STORE_UNAVAILABLE',
          `Copy ${key}: expected ${ContentLength} bytes, got ${target.bytesWritten}`,
        )
      }
    })
  }

  /** Bounded attempts at what may pass; everything that is thrown is in the words of the catalogue. */
  #attempt<T>(operation: string, key: string, { signal }: IoOptions, run: () => Promise<T>): Promise<T> {
    const subject = `${operation} ${key} in ${this.uri} at ${this.#where}`
    return retry(
      async () => {
        try {
          return await run()
        } catch (error) {
          signal?.throwIfAborted()
          throw s3Failure(subject, error)
        }
      },
      { signal, clock: this.#clock, firstDelayMs: 100 },
    )
  }

  #unordered(after: string, key: string): LakeError {
    return new LakeError(
      'STORE_REFUSED',
      `${this.#where}: lists ${JSON.stringify(key)} after ${JSON.stringify(after)}: not in byte order`,
      { details: { fault: 'unordered-listing' } },
    )
  }
}

function metaOf(
  key: string,
  sizeBytes: number,
  modified: Date | undefined,
  eTag: string | undefined,
): ObjectMeta {
  const modifiedMs = modified?.getTime() ?? 0
  // Listings tell the time to the millisecond, the headers of an object to the second.
  const revision = eTag ?? `${sizeBytes}:${Math.floor(modifiedMs / 1000)}`
  return { key, sizeBytes, modifiedMs, revision }
}

/** The SDK tells each process that its Node is old; which Node runs is not for the reader of a command to decide. */
function withoutNotice<T>(make: () => T): T {
  const { emitWarning } = process
  process.emitWarning = (warning: string | Error, ...rest: unknown[]): void => {
    if (!String(warning).startsWith('NodeVersionSupportWarning')) {
      Reflect.apply(emitWarning, process, [warning, ...rest])
    }
  }
  try {
    return make()
  } finally {
    process.emitWarning = emitWarning
  }
}

function abortable(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}
