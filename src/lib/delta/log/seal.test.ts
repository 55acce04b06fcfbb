import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { append } from '../change/append.ts'
import { DeltaTable } from '../table.ts'
import { failureOf, openFixture, rowsOf } from '../testing/write.fixture.ts'
import { commitKey, version } from './log-path.ts'
import { openParquetSeal, requireUnbroken, requireUnbrokenParquet, sealed, sealParquet } from './seal.ts'

let duckdb: DuckDb
let folder = ''
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-seal-'))
})
afterAll(async () => {
  duckdb[Symbol.dispose]()
  await rm(folder, { recursive: true })
})

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A table whose newest commit has other bytes. */
async function readWith(change: (lines: readonly string[]) => readonly string[]): Promise<unknown> {
  await using fixture = await openFixture(duckdb)
  const { table, store } = fixture
  const select = "select date '2026-01-01' + i::int as day, i as id, 'w' as word from range(3) t(i)"
  await duckdb.use((session) => append(table, { session, select }))
  const key = commitKey(version(1))
  const lines = new TextDecoder()
    .decode(await store.read(key))
    .split('\n')
    .slice(0, -1)
  await store.put(
    key,
    bytesOf(
      change(lines)
        .map((line) => `${line}\n`)
        .join(''),
    ),
  )
  const reader = new DeltaTable({ store, duckdb })
  let rows = -1
  const failure = await failureOf(rowsOf(reader).then((found) => (rows = found.length)))
  return failure === 'no failure' ? rows : failure
}

describe('a commit of ours', () => {
  it.each<[string, (lines: readonly string[]) => readonly string[]]>([
    ['lost its last line', (lines) => lines.slice(0, -1)],
    ['has all its lines twice', (lines) => [...lines, ...lines]],
    ['has an action of another name', (lines) => lines.map((line) => line.replace('{"add":', '{"aed":'))],
    ['has another digit', (lines) => lines.map((line) => line.replace('"size":', '"size":1'))],
    ['says another time', (lines) => lines.map((line) => line.replace('"timestamp":1', '"timestamp":2'))],
  ])('is refused where it %s', async (_, change) => {
    expect(await readWith(change)).toMatch(
      /^LOG_CORRUPT: .*1\.json: its bytes are not those that were written/,
    )
  })

  it('is refused where nothing is left of it', async () => {
    expect(await readWith(() => [])).toMatch(/^LOG_CORRUPT: .*1\.json: it is empty/)
  })

  it('is read as it stands, and where somebody has taken the checksum out', async () => {
    expect(await readWith((lines) => lines)).toBe(3)
    const unsealed = (line: string) => line.replace(/"lakeshoreCrc32":"\w+",/, '')
    expect(await readWith((lines) => lines.slice(0, -1).map(unsealed))).toBe(2)
  })
})

describe('a checkpoint of ours', () => {
  it('is refused where a value in it is another', async () => {
    await using fixture = await openFixture(duckdb)
    const { table, store } = fixture
    const select = "select date '2026-01-01' as day, 1 as id, 'w' as word"
    await duckdb.use((session) => append(table, { session, select }))
    await table.checkpoint()
    const key = '_delta_log/00000000000000000001.checkpoint.parquet'
    const bytes = Buffer.from(await store.read(key))
    bytes.write('2026-01-07', bytes.indexOf('2026-01-01'))
    await store.put(key, bytes)
    await store.delete(['_delta_log/00000000000000000000.json'])

    const failure = await failureOf(rowsOf(new DeltaTable({ store, duckdb })))

    expect(failure).toMatch(/^LOG_CORRUPT: .*checkpoint.parquet: its bytes are not those/)
  })
})

describe('requireUnbroken(bytes, file)', () => {
  it('finds every bit that turns, and every cut that leaves the checksum', () => {
    const bytes = sealed('{"commitInfo":{"lakeshoreCrc32":"00000000"}}\n{"add":{"path":"é"}}\n')
    requireUnbroken(bytes, 'whole')
    const marker = new TextDecoder('latin1').decode(bytes).indexOf('"lakeshoreCrc32":"')
    const inName = (at: number): boolean => at >= marker && at < marker + '"lakeshoreCrc32":"'.length
    for (let at = 0; at < bytes.length; at++) {
      if (inName(at)) continue
      for (let bit = 0; bit < 8; bit++) {
        const flipped = Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ (1 << bit) : byte))
        // A line break before it hides it: what is left of that line is no JSON.
        if (at < marker && flipped[at] === 0x0a) continue
        expect(() => requireUnbroken(flipped, 'file')).toThrow('not those')
      }
      if (at > marker + 30) expect(() => requireUnbroken(bytes.subarray(0, at), 'file')).toThrow('not those')
    }
  })

  it('passes what has no checksum, or names it in a text alone', () => {
    requireUnbroken(bytesOf('{"commitInfo":{}}\n'), 'file')
    requireUnbroken(bytesOf(`${JSON.stringify({ commitInfo: { note: '"lakeshoreCrc32":"x"' } })}\n`), 'file')
    requireUnbroken(bytesOf('{"add":{}}\n{"commitInfo":{"lakeshoreCrc32":"00000000"}}\n'), 'file')
  })
})

describe('requireUnbrokenParquet(path, name)', () => {
  const write = async (options: string): Promise<string> => {
    const path = join(folder, `${options.length}.parquet`)
    await duckdb.use((session) =>
      session.run(
        `copy (select hash(i) as h from range(300000) t(i)) to '${path}' (format parquet${options})`,
      ),
    )
    return path
  }

  it('finds bits that turn and a cut, wherever they are, in a file of several chunks', async () => {
    const path = await write(`, ${openParquetSeal}`)
    await sealParquet(path)
    await requireUnbrokenParquet(path, 'whole')
    const bytes = await readFile(path)

    expect(bytes.length).toBeGreaterThan(2 * 2 ** 20)
    for (const at of [0, 1_000_000, 2 ** 20 - 1, 2 ** 20, bytes.length - 20, bytes.length - 1]) {
      await writeFile(
        path,
        bytes.map((byte, index) => (index === at ? byte ^ 4 : byte)),
      )
      await expect(requireUnbrokenParquet(path, 'its name')).rejects.toThrow(
        'its name: its bytes are not those',
      )
    }
    await writeFile(path, bytes.subarray(0, -1))
    await expect(requireUnbrokenParquet(path, 'its name')).rejects.toThrow('not those')
  })

  it('passes what has no checksum', async () => {
    await requireUnbrokenParquet(await write(''), 'of others')
  })
})
