/** Parquet files built by hand, as no writer makes them: what the engine would read of each has to be counted. */
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { type DuckDb, openDuckDb } from './duckdb.ts'
import { mostBytesRead } from './parquet-memory.ts'
import { type ChunkPages, PageReader } from './parquet-pages.ts'
import { type Encoded, i32, i64, listOf, name, struct } from './thrift.ts'

let directory: string
let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  directory = await mkdtemp(join(tmpdir(), 'parquet-memory-'))
})
afterAll(async () => {
  duckdb[Symbol.dispose]()
  await rm(directory, { recursive: true })
})

/** The header of a page of values, and 100 bytes for its content. */
function page(fields: Readonly<Record<number, Encoded>> = {}): Buffer {
  const values = struct({ 1: i32(1), 2: i32(0), 3: i32(3), 4: i32(3) })
  const header = struct({ 1: i32(0), 2: i32(100), 3: i32(100), 5: values, ...fields })
  return Buffer.concat([header.bytes, Buffer.alloc(100)])
}

interface Column {
  /** Fields of its element in the schema. */
  readonly element: Readonly<Record<number, Encoded>>
  /** The type that the chunk names. */
  readonly of?: number
  readonly values: number
  /** Where the first page of values and the dictionary are, in `pages`. */
  readonly from: number
  readonly dictionary?: number
}

const magic = Buffer.from('PAR1')
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** A file of one required column that is not compressed. */
function fileOf(pages: Buffer, { element, of = 6, values, from, dictionary }: Column): Buffer {
  const chunk = struct({
    1: i32(of),
    2: listOf([i32(0)]),
    3: listOf([name('c')]),
    4: i32(0),
    5: i64(values),
    6: i64(pages.length),
    7: i64(pages.length),
    9: i64(magic.length + from),
    ...(dictionary !== undefined && { 11: i64(magic.length + dictionary) }),
  })
  const footer = struct({
    1: i32(1),
    2: listOf([struct({ 4: name('schema'), 5: i32(1) }), struct(element)]),
    3: i64(values),
    4: listOf([
      struct({
        1: listOf([struct({ 2: i64(magic.length), 3: chunk })]),
        2: i64(pages.length),
        3: i64(values),
      }),
    ]),
  }).bytes
  return Buffer.concat([magic, pages, footer, u32(footer.length), magic])
}

const texts = { 1: i32(6), 3: i32(0), 4: name('c') }

function dictionaryPage(content: Buffer): Buffer {
  const { length } = content
  const details = struct({ 1: i32(1), 2: i32(0) })
  return Buffer.concat([struct({ 1: i32(2), 2: i32(length), 3: i32(length), 7: details }).bytes, content])
}

/** A page of values in an encoding of parquet.thrift. */
function valuesPage(values: number, encoding: number, content: Buffer): Buffer {
  const { length } = content
  const details = struct({ 1: i32(values), 2: i32(encoding), 3: i32(3), 4: i32(3) })
  return Buffer.concat([struct({ 1: i32(0), 2: i32(length), 3: i32(length), 5: details }).bytes, content])
}

/** As many values, each of which is the first text of the dictionary. */
function firstOfDictionary(values: number): Buffer {
  const bytes: number[] = [1]
  let rest = values * 2
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
  return valuesPage(values, 8, Buffer.from([...bytes, rest, 0]))
}

/** What is counted of a file, and what the engine reads of it. */
async function counted(bytes: Buffer, { enough = 10_000 } = {}): Promise<{ most: number; read: number }> {
  const path = join(directory, 'counted.parquet')
  await writeFile(path, bytes)
  return await duckdb.use(async (session) => {
    const most = await mostBytesRead(session, path, { enough })
    const sum = 'sum(octet_length("c"::blob))::double'
    const [row] = await session.rows(`select ${sum} as bytes from read_parquet('${path}')`)
    return { most, read: Number(row?.['bytes']) }
  })
}

async function pagesIn(
  bytes: Buffer,
  wanted: number,
  { times = 1, from = 0, signal }: { times?: number; from?: number; signal?: AbortSignal } = {},
): Promise<ChunkPages | undefined> {
  const path = join(directory, 'pages')
  await writeFile(path, bytes)
  const file = await open(path, 'r')
  try {
    const reader = new PageReader(file, bytes.length)
    let found: ChunkPages | undefined
    for (let time = 0; time < times; time++) found = await reader.chunk(from, wanted, { signal })
    return found
  } finally {
    await file.close()
  }
}

const sourceFailed = (why: RegExp) => (error: unknown) =>
  isLakeError(error, 'SOURCE_FAILED') && why.test(error.message)

describe('PageReader.chunk(from, wanted)', () => {
  it('finds the pages of all values', async () => {
    const found = await pagesIn(Buffer.concat([page(), page(), page()]), 2)

    expect(found).toEqual({ values: 2, unpackedBytes: 200, dictionary: undefined })
  })

  it('refuses a place before the file', async () => {
    const why = /No column chunk can begin at byte -1/

    await expect(pagesIn(page(), 1, { from: -1 })).rejects.toSatisfy(sourceFailed(why))
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

    expect(await pagesIn(bytes, 1)).toMatchObject({ values: 1, unpackedBytes: 100 })
  })
})

describe('PageReader.chunk(from, wanted), where a file would keep it busy', () => {
  const empty = page({ 5: struct({ 1: i32(0) }) })

  it('reads each byte of the file once: chunks do not lie one over the other', async () => {
    const bytes = Buffer.concat([empty, empty, page()])

    expect(await pagesIn(bytes, 1)).toMatchObject({ values: 1, unpackedBytes: 300 })
    await expect(pagesIn(bytes, 1, { times: 2 })).rejects.toSatisfy(sourceFailed(/lies over another/))
  })

  it('refuses a second dictionary', async () => {
    const dictionary = dictionaryPage(Buffer.alloc(10))
    const pages = pagesIn(Buffer.concat([dictionary, dictionary, page()]), 1)

    await expect(pages).rejects.toSatisfy(sourceFailed(/has a second dictionary/))
  })

  it('refuses a header of more than a mebibyte', async () => {
    const long = (bytes: number) => page({ 20: name('a'.repeat(bytes)) })

    expect(await pagesIn(long(2 ** 19), 1)).toMatchObject({ values: 1 })
    await expect(pagesIn(long(2 ** 20), 1)).rejects.toSatisfy(sourceFailed(/header at byte 0 does not end/))
  })

  it('makes no objects of a list that nobody needs', async () => {
    const count = 1_000_000
    const head = Buffer.from([0xfc, 0x80 | (count & 127), 0x80 | ((count >> 7) & 127), count >> 14])
    const bytes = page({ 20: { kind: 9, bytes: Buffer.concat([head, Buffer.alloc(count)]) } })
    const before = process.resourceUsage().maxRSS

    expect(await pagesIn(bytes, 1)).toMatchObject({ values: 1 })
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(100_000)
  })

  it('ends when the caller no longer waits', async () => {
    const signal = AbortSignal.abort(new Error('enough'))

    await expect(pagesIn(page(), 1, { signal })).rejects.toThrow('enough')
  })
})

describe('mostBytesRead(file)', () => {
  it('begins at the dictionary, as the engine does, also where it lies behind other values', async () => {
    const [text, values] = [Buffer.alloc(1_000, 'a'), 100]
    const other = valuesPage(values, 0, Buffer.concat(Array.from({ length: values }, () => u32(0))))
    const dictionary = dictionaryPage(Buffer.concat([u32(text.length), text]))
    const pages = Buffer.concat([other, dictionary, firstOfDictionary(values)])
    const file = fileOf(pages, { element: texts, values, from: 0, dictionary: other.length })

    const { most, read } = await counted(file)

    expect(read).toBe(100_000)
    expect(most).toBeGreaterThan(read)
  })

  it('counts the copies of a dictionary of texts of one length', async () => {
    const [text, values] = [Buffer.alloc(1_000, 'a'), 100]
    const dictionary = dictionaryPage(text)
    const pages = Buffer.concat([dictionary, firstOfDictionary(values)])
    const element = { ...texts, 1: i32(7), 2: i32(text.length) }
    const file = fileOf(pages, { element, of: 7, values, from: dictionary.length, dictionary: 0 })

    const { most, read } = await counted(file)

    expect(read).toBe(100_000)
    expect(most).toBeGreaterThan(read)
    expect(most).toBeLessThan(2 * read)
  })
})
