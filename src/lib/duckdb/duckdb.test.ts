import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { memoryShares } from '../base/memory.ts'
import { createTemporaryTable } from './append.ts'
import { type DuckDb, type DuckDbSession, openDuckDb } from './duckdb.ts'
import { parseQuotedPath, writeParquet } from './parquet.ts'
import { identifier, text } from './sql-text.ts'
import type { Value } from './values.ts'

let duckdb: DuckDb
let session: DuckDbSession
let directory = ''
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 2 })
  session = await duckdb.connect()
  directory = await mkdtemp(join(tmpdir(), 'lakeshore-duckdb-'))
})
afterAll(async () => {
  session[Symbol.dispose]()
  duckdb[Symbol.dispose]()
  await rm(directory, { recursive: true, force: true })
})

describe('openDuckDb()', () => {
  it('leaves half of the memory there is to what runs beside it', async () => {
    using capped = await openDuckDb({ memoryLimit: `${memoryShares().duckdb}B` })
    const limit = "select current_setting('memory_limit') as bytes"

    const byDefault = await session.row(limit)

    expect(byDefault).toEqual(await capped.use((own) => own.row(limit)))
  })
})

describe('rows(sql)', () => {
  it.each([
    ['9223372036854775807::bigint', 9223372036854775807n],
    ['12345678901234567890123456789012345.678::decimal(38,3)', '12345678901234567890123456789012345.678'],
    [`timestamptz '2026-01-02 03:04:05.000006+00'`, '2026-01-02T03:04:05.000006Z'],
    [`timestamp '1969-12-31 23:59:59.999999'`, '1969-12-31T23:59:59.999999'],
    [`date '0001-01-01'`, '0001-01-01'],
    [`date '9999-12-31'`, '9999-12-31'],
    [`'\\x00\\xFF'::blob`, Buffer.from([0, 255])],
    [`[1::bigint, null]`, [1n, null]],
    [`{'a': 1::bigint, 'b': date '2026-01-01'}`, { a: 1n, b: '2026-01-01' }],
    [`map {'k': 2::bigint}`, [{ key: 'k', value: 2n }]],
    [`chr(65279) || 'a'`, '\uFEFFa'],
    [`chr(65279) || repeat('long', 9)`, `\uFEFF${'long'.repeat(9)}`],
    [`[chr(65279)]`, ['\uFEFF']],
    [`{'a': chr(65279) || 'a'}`, { a: '\uFEFFa' }],
    [`map {chr(65279): chr(65279) || chr(65279)}`, [{ key: '\uFEFF', value: '\uFEFF\uFEFF' }]],
    ['null::bigint', null],
  ])('keeps %s as it is', async (sql, expected) => {
    expect((await session.row(`select ${sql} as v`))['v']).toEqual(expected)
  })

  it('says SQL_INVALID with the engine’s words', async () => {
    await expect(session.rows('select * from nowhere')).rejects.toSatisfy(
      (error) => isLakeError(error, 'SQL_INVALID') && error.message.includes('nowhere'),
    )
  })

  it.each(['parquet', 'csv'])('names a %s file that is not there', async (format) => {
    const path = `/nowhere/to be found.${format}`

    await expect(
      duckdb.use((session) => session.rows(`select * from read_${format}('${path}')`)),
    ).rejects.toMatchObject({
      code: 'OBJECT_MISSING',
      message: expect.stringContaining(path),
    })
  })

  it('ends a running query when aborted, with the reason, and the session goes on', async () => {
    const controller = new AbortController()
    const reason = new Error('stop')
    const running = session.rows('select count(*) from range(10000000000)', { signal: controller.signal })
    controller.abort(reason)

    await expect(running).rejects.toBe(reason)
    expect(await session.rows('select 1 as one')).toEqual([{ one: 1 }])
  })
})

describe('connect()', () => {
  it('gives a session after another one has spilled', async () => {
    using small = await openDuckDb({
      threads: 1,
      memoryLimit: '40MB',
      tempDirectory: join(directory, 'spilled'),
    })
    using first = await small.connect()
    await first.run(`create temporary table wide as select hash(i) as h, repeat('x', 50) || i as v
      from range(1000000) as r(i)`)
    const { files } = await first.row('select count(*) as files from duckdb_temporary_files()')

    using second = await small.connect()

    expect(Number(files)).toBeGreaterThan(0)
    expect(await second.rows('select 1 as one')).toEqual([{ one: 1 }])
  })
})

describe('a session out of memory', () => {
  it('says so, with the fix, and can be asked again', async () => {
    using capped = await openDuckDb({ memoryLimit: '20MB', threads: 1 })
    using session = await capped.connect()

    const failure = await session
      .rows("select len(string_agg(md5(range::varchar), '')) from range(2000000)")
      .catch((error: unknown) => error)

    expect(failure).toSatisfy((error) => isLakeError(error, 'OUT_OF_MEMORY'))
    expect(await session.rows('select 1 as one')).toEqual([{ one: 1 }])
  })
})

describe('chunks(sql)', () => {
  it('names the columns even when there are no rows', async () => {
    const chunks = []
    for await (const chunk of session.chunks('select 1::bigint as a where false')) chunks.push(chunk)

    expect(chunks).toEqual([{ columns: [{ name: 'a', type: 'BIGINT' }], rows: [] }])
  })

  it('yields every row once', async () => {
    let sum = 0n
    for await (const { rows } of session.chunks('select range as n from range(10000)')) {
      for (const row of rows) sum += BigInt(String(row['n']))
    }

    expect(sum).toBe(49_995_000n)
  })
})

describe.each(['chunks', 'columnChunks'] as const)('%s(sql), after the first rows', (name) => {
  it('fails where the query fails, with the engine’s words', async () => {
    const failing =
      "select case when range = 600000 then error('no such page') else range end from range(700000)"
    let chunks = 0
    const reading = async (): Promise<void> => {
      for await (const _ of session[name](failing)) chunks += 1
    }

    await expect(reading()).rejects.toSatisfy(
      (error) => isLakeError(error, 'SQL_INVALID') && error.message.includes('no such page'),
    )
    expect(chunks).toBeGreaterThan(10)
    expect(await session.rows('select 1 as one')).toEqual([{ one: 1 }])
  })

  it('throws the reason when aborted, and does not end as if it were whole', async () => {
    const controller = new AbortController()
    const reason = new Error('stop')
    const { signal } = controller
    let chunks = 0
    const reading = async (): Promise<void> => {
      for await (const _ of session[name]('select * from range(1000000000)', { signal })) {
        chunks += 1
        // While the next chunk is being fetched, and not between two.
        if (chunks === 10) setImmediate(() => controller.abort(reason))
      }
    }

    await expect(reading()).rejects.toBe(reason)
  })
})

describe('text(value) and identifier(name)', () => {
  it.each([`it's`, `a"b`, 'nul\0byte', '\\x00', ''])('carry %j through a statement', async (value) => {
    const name = value === '' ? 'empty' : value.replaceAll('\0', '')

    expect(await session.rows(`select ${text(value)} as ${identifier(name)}`)).toEqual([{ [name]: value }])
  })
})

describe('createTemporaryTable(session, name, columns)', () => {
  it('fills more rows than one vector holds, nulls, bytes and pairs included', async () => {
    const count = 5000
    await createTemporaryTable(session, 'messages', [
      { name: 'p', kind: 'integer', values: Array.from({ length: count }, (_, i) => i % 3) },
      { name: 'o', kind: 'bigint', values: Array.from({ length: count }, (_, i) => BigInt(i)) },
      { name: 't', kind: 'timestampMs', values: Array.from({ length: count }, (_, i) => i) },
      {
        name: 'v',
        kind: 'blob',
        values: Array.from({ length: count }, (_, i) => (i % 2 ? null : new Uint8Array([255, i % 256]))),
      },
      {
        name: 'h',
        kind: 'namedBytes',
        values: Array.from({ length: count }, (_, i) => (i === 7 ? [{ key: 'k', value: null }] : [])),
      },
    ])

    expect(
      await session.rows(
        `select count(*) as n, count(v) as vs, sum(o) as os, max(t) as t, count(*) filter (len(h) = 1) as hs from messages`,
      ),
    ).toEqual([{ n: 5000n, vs: 2500n, os: 12_497_500n, t: '1970-01-01T00:00:04.999000Z', hs: 1n }])
    expect(await session.row('select v from messages where o = 4')).toEqual({ v: Buffer.from([255, 4]) })
  })
})

describe('writeParquet(session, select, options)', () => {
  it('writes one file a partition and tells its rows, size and statistics', async () => {
    const files = await writeParquet(
      session,
      `select range as n, case when range = 3 then null else 'é' || range end as s, date '2026-01-01' + (range % 2)::int as d from range(4)`,
      { directory, partitionBy: ['d'] },
    )

    expect(files.map(({ rows, partition }) => ({ rows, partition }))).toEqual([
      { rows: 2, partition: { d: '2026-01-01' } },
      { rows: 2, partition: { d: '2026-01-02' } },
    ])
    expect(files[1]?.columns.find(({ path }) => path[0] === 's')).toEqual({
      path: ['s'],
      min: 'é1',
      max: 'é1',
      nullCount: 1n,
      hasNan: false,
    })
    expect(files.every(({ key }) => key.startsWith('d=2026-01-0'))).toBe(true)
  })

  it('leaves no file where there are no rows', async () => {
    const empty = join(directory, 'empty')

    expect(await writeParquet(session, 'select 1 as a where false', { directory: empty })).toEqual([])
    expect(await readdir(empty)).toEqual([])
  })
})

describe('parseQuotedPath(path)', () => {
  it('splits at dots outside quotes and undoubles quotes inside', () => {
    expect(parseQuotedPath('"a.b"."c ""d"""')).toEqual(['a.b', 'c "d"'])
  })
})

describe('DuckDbSession.tuples(sql, options)', () => {
  it('keeps the place of every column, whatever its name, and doubled names', async () => {
    const rows: unknown[] = []
    for await (const chunk of session.tuples('select 1 as "__proto__", 2 as "2024", 3 as a, 4 as a')) {
      expect(chunk.columns.map(({ name }) => name)).toEqual(['__proto__', '2024', 'a', 'a'])
      rows.push(...chunk.rows)
    }

    expect(rows).toEqual([[1, 2, 3, 4]])
  })

  it('holds about a MiB of large values, also where a chunk of the engine has far more', async () => {
    const sizes: number[] = []
    for await (const { rows } of session.tuples("select repeat('x', 500000) as a from range(20)"))
      sizes.push(rows.length)

    expect(sizes).toEqual([0, 3, 3, 3, 3, 3, 3, 2])
  })

  it('takes thousands of columns of texts', async () => {
    const columns = Array.from({ length: 2_000 }, (_, n) => `'x' as c${n}`)
    let width = 0
    for await (const { rows } of session.tuples(`select ${columns.join(', ')}`)) width += rows[0]?.length ?? 0

    expect(width).toBe(2_000)
  })

  it.each([
    "describe select 'x' as a",
    'show tables',
    "pivot (values ('x', 1)) t(a, b) on a using sum(b)",
    "explain select 'x'",
  ])('runs what is no plain query as it is: %s', async (sql) => {
    let count = 0
    for await (const { columns } of session.tuples(sql)) count += columns.length

    expect(count).toBeGreaterThan(0)
  })

  it('counts what is beyond the limit, and does not read it', async () => {
    let [read, more] = [0, 0]
    for await (const chunk of session.tuples('from range(5000)', { limit: 100 })) {
      read += chunk.rows.length
      more += chunk.more
    }

    expect([read, more]).toEqual([100, 4900])
  })
})

describe('DuckDbSession.columnChunks(sql)', () => {
  const chunksOf = async (sql: string): Promise<readonly (readonly Value[])[]> => {
    const chunks: (readonly Value[])[] = []
    for await (const { columns } of session.columnChunks(sql)) chunks.push(columns['n'] ?? [])
    return chunks
  }

  it('has 2,048 rows in a chunk where values are small', async () => {
    const chunks = await chunksOf("select range as n, 'x' as a, 'y' as a from range(5000) -- all")

    expect(chunks.map(({ length }) => length)).toEqual([2048, 2048, 904])
  })
})

describe('DuckDbSession.rows(sql)', () => {
  it('loses no column: one may be called __proto__, and two the same', async () => {
    const [row = {}] = await session.rows('select 1 as "__proto__", 2 as a, 3 as a, 4 as "a:1"')

    expect(Object.entries(row)).toEqual([
      ['__proto__', 1],
      ['a', 2],
      ['a:2', 3],
      ['a:1', 4],
    ])
  })

  it.each([
    '',
    'PAR1',
    'PAR1 is not all that a file needs',
    '{"a":1}',
  ])('takes the file %j for damaged, not the SQL for wrong', async (text) => {
    const path = join(directory, 'damaged.parquet')
    await writeFile(path, text)

    await expect(session.rows(`from read_parquet('${path}')`)).rejects.toMatchObject({
      code: 'SOURCE_FAILED',
      details: { fault: 'file-damaged' },
    })
  })
})

describe('DuckDb.progress()', () => {
  it('is that of the query that runs, and unknown where none does', async () => {
    using duckdb = await openDuckDb({ threads: 1 })
    const stop = new AbortController()
    const query = duckdb.use((session) =>
      session.run('select sum(hash(a.range * b.range)) from range(1000000) a, range(1000000) b', {
        signal: stop.signal,
      }),
    )

    await expect.poll(() => duckdb.progress(), { timeout: 20_000 }).toBeGreaterThanOrEqual(0)
    stop.abort(new Error('enough'))
    await expect(query).rejects.toThrow('enough')

    expect(duckdb.progress()).toBeUndefined()
  })
})
