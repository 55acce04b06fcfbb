import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DeltaTable, field, structOf } from '../delta/index.ts'
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts'
import { describeObjectStore } from './store.contract.ts'
import { openS3Store } from './store.s3.ts'
import type { ObjectStore } from './store.ts'

const endpoint = process.env['S3_ENDPOINT'] ?? ''
const accessKey = process.env['S3_ACCESS_KEY'] ?? ''
const secretKey = process.env['S3_SECRET_KEY'] ?? ''
const bucket = `lake-${randomUUID()}`

let cacheDirectory: string
let duckdb: DuckDb
beforeAll(async () => {
  cacheDirectory = await mkdtemp(join(tmpdir(), 'lakeshore-s3-'))
  duckdb = await openDuckDb({ threads: 1 })
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  })
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  client.destroy()
})
afterAll(async () => {
  duckdb[Symbol.dispose]()
  await rm(cacheDirectory, { recursive: true, force: true })
})

const open = (prefix: string = randomUUID(), folder = cacheDirectory): ObjectStore =>
  openS3Store({
    bucket,
    prefix,
    endpoint,
    region: 'us-east-1',
    accessKey,
    secretKey,
    cacheDirectory: folder,
  })

describeObjectStore('s3', async () => open())

describe('openS3Store(options)', () => {
  it('lists more keys than one answer holds, each once', async () => {
    await using store = open()
    const keys = Array.from({ length: 1_100 }, (_, at) => `k/${String(at).padStart(5, '0')}`)
    for (let from = 0; from < keys.length; from += 50) {
      await Promise.all(keys.slice(from, from + 50).map((key) => store.put(key, new Uint8Array())))
    }

    const listed = []
    for await (const { key } of store.list('k/')) listed.push(key)
    await store.delete(keys)

    expect(listed).toEqual(keys)
    expect(await store.head('k/01099')).toBeUndefined()
  })

  it('hands out the newest content of a key that was replaced', async () => {
    const prefix = randomUUID()
    await using writer = open(prefix)
    await using reader = open(prefix)
    await writer.put('a', new TextEncoder().encode('one'))
    await writer.localFile('a')
    await writer.put('a', new TextEncoder().encode('two'))

    const text = await duckdb.use(async (session) =>
      session.rows(`select content from read_text('${await reader.localFile('a')}')`),
    )

    expect(text).toEqual([{ content: 'two' }])
  })

  it('names the bucket that is not there', async () => {
    await using store = openS3Store({
      bucket: 'no-such-bucket',
      prefix: 'lake',
      endpoint,
      region: 'us-east-1',
      accessKey,
      secretKey,
      cacheDirectory,
    })

    await expect(store.put('a', new Uint8Array())).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringContaining('s3://no-such-bucket/lake'),
    })
  })
})

describe('DeltaTable on S3', () => {
  it('keeps every row of racing writers once, and reads them from a cold cache', async () => {
    const prefix = `tables/${randomUUID()}`
    const schema = structOf(field('day', 'date'), field('writer', 'long'), field('n', 'long'))
    const writeFour = async (writer: number): Promise<void> => {
      await using store = open(prefix)
      const table = new DeltaTable({ store, duckdb })
      await table.createIfMissing({ schema, partitionBy: ['day'] })
      for (let n = 0; n < 4; n++) {
        const snapshot = await table.snapshot()
        const staged = await duckdb.use((session) =>
          table.stage(
            session,
            snapshot,
            `select date '2026-01-0${n + 1}' as day, ${writer} as writer, ${n} as n`,
          ),
        )
        await table.commit(snapshot, {
          add: staged.files,
          transactions: { [`writer-${writer}`]: n },
          reads: { kind: 'none' },
          operation: { name: 'WRITE' },
        })
      }
    }

    await Promise.all([0, 1, 2, 3].map(writeFour))

    const cold = await mkdtemp(join(tmpdir(), 'lakeshore-s3-cold-'))
    await using store = open(prefix, cold)
    const table = new DeltaTable({ store, duckdb })
    const snapshot = await table.snapshot()
    const rows = await duckdb.use(async (session) =>
      session.rows(`select writer, n from (${await table.scan(session, snapshot)}) order by all`),
    )
    await rm(cold, { recursive: true, force: true })
    expect(snapshot.version).toBe(16)
    expect(rows).toEqual([0n, 1n, 2n, 3n].flatMap((writer) => [0n, 1n, 2n, 3n].map((n) => ({ writer, n }))))
  })
})
