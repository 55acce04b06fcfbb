/** Checkpoints of a few kilobytes that stand for gigabytes, as someone makes them who wants to stop the readers. */
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { mostBytesRead } from '../../../duckdb/parquet-memory.ts'
import { codecs } from '../../../duckdb/parquet-pages.ts'
import { type Encoded, i32, i64, listOf, name, struct } from '../../../duckdb/thrift.ts'
import { MemoryStore } from '../../../storage/store.memory.ts'
import { append } from '../../change/append.ts'
import { checkpointKey, commitKey, version } from '../../log/log-path.ts'
import { DeltaTable } from '../../table.ts'
import { failureOf, openFixture, rowsOf } from '../write.fixture.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const gzip = codecs['GZIP'] ?? 0
const dictionaryOf = (text: Buffer): Buffer => {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(text.length)
  return Buffer.concat([length, text])
}

/** A run of one value, `count` times: its number is doubled, as that of a run. */
const run = (count: number, value: number): Buffer => {
  const bytes: number[] = []
  for (let rest = count * 2; ; rest >>>= 7) {
    bytes.push(rest < 128 ? rest : (rest & 127) | 128)
    if (rest < 128) return Buffer.from([...bytes, value])
  }
}

const levels = (bytes: Buffer): Buffer => {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([length, bytes])
}

function page(kind: number, unpacked: Buffer, field: number, header: Encoded): Buffer {
  const stored = gzipSync(unpacked)
  const head = struct({ 1: i32(kind), 2: i32(unpacked.length), 3: i32(stored.length), [field]: header })
  return Buffer.concat([head.bytes, stored])
}

/** A column of texts: each of `values` is the same one, of `bytes` bytes. `above` are the levels of each value. */
function column(path: readonly string[], values: number, bytes: number, above: readonly Buffer[]) {
  const dictionary = page(2, dictionaryOf(Buffer.alloc(bytes, 'a')), 7, struct({ 1: i32(1), 2: i32(0) }))
  const content = Buffer.concat([...above.map(levels), Buffer.from([1]), run(values, 0)])
  const header = struct({ 1: i32(values), 2: i32(8), 3: i32(3), 4: i32(3) })
  const stored = Buffer.concat([dictionary, page(0, content, 5, header)])
  const at = 4
  const chunk = struct({
    1: i32(6),
    2: listOf([i32(0), i32(8)]),
    3: listOf(path.map(name)),
    4: i32(gzip),
    5: i64(values),
    6: i64(bytes),
    7: i64(stored.length),
    9: i64(at + dictionary.length),
    11: i64(at),
  })
  return { stored, chunk: struct({ 2: i64(at), 3: chunk }) }
}

const group = (of: string, children: number, repetition: number, converted?: number): Encoded =>
  struct({
    3: i32(repetition),
    4: name(of),
    5: i32(children),
    ...(converted !== undefined && { 6: i32(converted) }),
  })
const texts = (of: string, repetition: number): Encoded =>
  struct({ 1: i32(6), 3: i32(repetition), 4: name(of), 6: i32(0) })

function fileOf(
  rows: number,
  schema: readonly Encoded[],
  { stored, chunk }: ReturnType<typeof column>,
): Buffer {
  const footer = struct({
    1: i32(1),
    2: listOf([struct({ 4: name('schema'), 5: i32(1) }), ...schema]),
    3: i64(rows),
    4: listOf([struct({ 1: listOf([chunk]), 2: i64(stored.length), 3: i64(rows) })]),
  }).bytes
  const length = Buffer.alloc(4)
  length.writeUInt32LE(footer.length)
  const magic = Buffer.from('PAR1')
  return Buffer.concat([magic, stored, footer, length, magic])
}

/** `add.path`, of all rows but the last. */
function longPaths(rows: number, bytes: number): Buffer {
  const present = Buffer.concat([run(rows - 1, 2), run(1, 0)])
  return fileOf(rows, [group('add', 1, 1), texts('path', 1)], column(['add', 'path'], rows, bytes, [present]))
}

/** One row, whose list `protocol.readerFeatures` has all values. */
function longList(values: number, bytes: number): Buffer {
  const repeated = Buffer.concat([run(1, 0), run(values - 1, 1)])
  return fileOf(
    1,
    [group('protocol', 1, 1), group('readerFeatures', 1, 1, 3), group('list', 1, 2), texts('element', 1)],
    column(['protocol', 'readerFeatures', 'list', 'element'], values, bytes, [repeated, run(values, 4)]),
  )
}

describe('a checkpoint that unpacks to more than its size allows', () => {
  it.each([
    ['a long text in each row', longPaths(400, 4_000_000)],
    ['a list without end in one row', longList(100_000_000, 1)],
    ['long texts in the list of one row', longList(400, 4_000_000)],
  ])('is refused before its rows are read: %s', async (_, bytes) => {
    await using fixture = await openFixture(duckdb)
    const { store } = fixture
    const before = process.resourceUsage().maxRSS
    await store.put(checkpointKey(version(1)), bytes)
    await store.delete([commitKey(version(0))])

    expect(bytes.length).toBeLessThan(20_000)
    expect(await failureOf(new DeltaTable({ store, duckdb }).snapshot())).toMatch(
      /^LOG_CORRUPT: .*00001\.checkpoint\.parquet: its \d+ bytes unpack to as much as \d+ in memory/,
    )
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(300_000)
  })

  it('is passed over where the log is whole', async () => {
    await using fixture = await openFixture(duckdb)
    const { store, table } = fixture
    const select = `select date '2026-01-01' as day, 1 as id, 'a' as word`
    await duckdb.use((session) => append(table, { session, select }))
    await store.put(checkpointKey(version(1)), longPaths(400, 4_000_000))

    expect(await rowsOf(new DeltaTable({ store, duckdb }))).toHaveLength(1)
  })

  it('is made of what an engine reads', async () => {
    await using fixture = await openFixture(duckdb)
    await fixture.store.put('some.parquet', longPaths(5_000, 1_000))
    const path = await fixture.store.localFile('some.parquet', {})
    const sums = 'count("add"."path")::integer as n, sum(strlen("add"."path"))::double as bytes'
    const rows = await duckdb.use((session) => session.rows(`select ${sums} from read_parquet('${path}')`))

    expect(rows).toEqual([{ n: 4_999, bytes: 4_999_000 }])
  })
})

describe('mostBytesRead(file)', () => {
  it('knows that a large dictionary of short texts makes no large copies', async () => {
    await using store = await MemoryStore.open()
    const path = join(store.stagingRoot, 'short.parquet')
    const most = await duckdb.use(async (session) => {
      const texts = "select repeat('a', 100) || i % 2000 as word from range(10000) t(i)"
      await session.run(`copy (${texts}) to '${path}' (format parquet, dictionary_size_limit 10000)`)
      return await mostBytesRead(session, path, { enough: 1_000_000 })
    })

    // Without the longest text it would be 2,048 times the dictionary: 400 MB.
    expect(most).toBeGreaterThan(2_048 * 100)
    expect(most).toBeLessThan(1_000_000)
  })
})
