/** Parquet files built by hand, as no writer makes them: what the engine would read of each has to be counted. */
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { pagesOf } from './parquet-pages.ts'
import { type Encoded, i32, struct } from './thrift.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'parquet-memory-'))
})
afterAll(async () => {
  await rm(directory, { recursive: true })
})

/** The header of a page of values, and 100 bytes for its content. */
function page(fields: Readonly<Record<number, Encoded>> = {}): Buffer {
  const values = struct({ 1: i32(1), 2: i32(0), 3: i32(3), 4: i32(3) })
  const header = struct({ 1: i32(0), 2: i32(100), 3: i32(100), 5: values, ...fields })
  return Buffer.concat([header.bytes, Buffer.alloc(100)])
}

async function pagesIn(bytes: Buffer, wanted: number): ReturnType<typeof pagesOf> {
  const path = join(directory, 'pages')
  await writeFile(path, bytes)
  const file = await open(path, 'r')
  try {
    return await pagesOf(file, 0, wanted)
  } finally {
    await file.close()
  }
}

const sourceFailed = (why: RegExp) => (error: unknown) =>
  isLakeError(error, 'SOURCE_FAILED') && why.test(error.message)

describe('pagesOf(file, from, wanted)', () => {
  it('finds the pages of all values', async () => {
    expect(await pagesIn(Buffer.concat([page(), page(), page()]), 2)).toMatchObject([
      { kind: 'values', values: 1, unpackedBytes: 100, storedBytes: 100 },
      { kind: 'values', values: 1, unpackedBytes: 100, storedBytes: 100 },
    ])
  })

  // The engine keeps the low 32 bits of such a number: 100 bytes here, and goes on with the next page.
  it.each([
    ['of a size', { 3: i32(2 ** 32 + 100) }],
    ['of a count', { 5: struct({ 1: i32(2 ** 32 + 1) }) }],
    ['of a field', { [2 ** 16 + 3]: i32(5_000) }],
  ])('refuses a number %s that has more bits than its type', async (_, fields) => {
    const pages = pagesIn(Buffer.concat([page(fields), page()]), 2)

    await expect(pages).rejects.toSatisfy(sourceFailed(/a number that is too large/))
  })
})
