/** Parquet files built by hand, as no writer makes them: what the engine would read of each has to be counted. */
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { pagesOf } from './parquet-pages.ts'
import { type Encoded, i32, i64, name, struct } from './thrift.ts'

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

  // The engine reads a page of 100 bytes: it passes over a field of another type.
  it.each([
    ['a field of another type', { 3: i64(100) }, /its field 3 is of kind 6/],
    ['a count of another type', { 5: struct({ 1: i64(1) }) }, /its field 1 is of kind 6/],
    ['details of another type', { 5: name('no struct') }, /its field 5 is of kind 8/],
  ])('refuses %s', async (_, fields, why) => {
    await expect(pagesIn(page(fields), 1)).rejects.toSatisfy(sourceFailed(why))
  })

  it.each([
    ['of the same type', i32(5_000), /it has field 3 twice/],
    ['of another type', i64(5_000), /it has field 3 twice/],
  ])('refuses a field that is there again, %s', async (_, again, why) => {
    const bytes = page()
    const { length } = struct({ 1: i32(0), 2: i32(100), 3: i32(100) }).bytes
    const field = struct({ 3: again }).bytes.subarray(0, -1)
    const twice = Buffer.concat([bytes.subarray(0, length - 1), field, bytes.subarray(length - 1)])

    await expect(pagesIn(twice, 1)).rejects.toSatisfy(sourceFailed(why))
  })

  it('passes over what it does not need', async () => {
    const statistics = struct({ 1: name('most'), 2: name('least'), 3: i64(2 ** 40) })
    const list = { kind: 9, bytes: Buffer.from([0x2c, 0, 0]) }
    const map = { kind: 11, bytes: Buffer.from([1, 0x83, 1, 97, 7]) }
    const [yes, double] = [
      { kind: 1, bytes: Buffer.alloc(0) },
      { kind: 7, bytes: Buffer.alloc(8) },
    ]
    const values = struct({ 1: i32(1), 2: i32(0), 3: i32(3), 4: i32(3), 5: statistics })
    const bytes = page({ 4: i32(-1), 5: values, 20: list, 21: map, 22: yes, 23: double })

    expect(await pagesIn(bytes, 1)).toMatchObject([{ values: 1, storedBytes: 100 }])
  })
})
