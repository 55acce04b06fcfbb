import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEmbeddedClickHouse } from '../clickhouse-server/embedded.ts'
import { type Home, until } from '../clickhouse-server/home.fixture.ts'
import { sharedHome } from '../clickhouse-server/shared.fixture.ts'
import type { ClickHouse } from './clickhouse.ts'
import { openClickHouse } from './client.ts'
import { createTable, ensureTables, ensureViews, type TableDeclaration } from './ddl.ts'
import { stallBefore } from './stalling.fixture.ts'

let home: Home
let clickhouse: ClickHouse

beforeAll(async () => {
  home = await sharedHome()
  clickhouse = await openEmbeddedClickHouse({ home: home.path, deadlineMs: 60_000 })
})

afterAll(async () => {
  await clickhouse[Symbol.asyncDispose]()
})

const count = async (table: string): Promise<number | undefined> => {
  const [row] = await clickhouse.query<{ readonly n: number }>(`SELECT count() AS n FROM ${table}`)
  return row?.n
}

describe('query(sql, options)', () => {
  it('gives every value back unchanged', async () => {
    const params = {
      big: 18446744073709551615n,
      small: 7,
      text: `it's \\ "ü"\n`,
      texts: ["a'b", '\\', 'ü\t'],
      nothing: null,
      day: '2026-11-23',
    }

    const rows = await clickhouse.query(
      `SELECT {big:UInt64} big, {small:UInt64} small, {text:String} text, {texts:Array(String)} texts,
              {nothing:Nullable(Int8)} nothing, {day:Date} day, toDecimal64('1.10', 2) money, 1 / 0 AS ratio`,
      { params },
    )

    expect(rows).toEqual([{ ...params, money: '1.1', ratio: 'inf' }])
  })

  it('fails in the words of ClickHouse', async () => {
    await expect(clickhouse.query('SELECT * FROM nowhere')).rejects.toMatchObject({
      code: 'CLICKHOUSE_FAILED',
      message: expect.stringContaining('nowhere'),
      details: { clickhouseCode: 60, clickhouseType: 'UNKNOWN_TABLE' },
    })
  })

  it('ends in the server when it is aborted, and rejects with the reason', async () => {
    const stop = new AbortController()
    const slow = clickhouse.query(
      'SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1 SETTINGS max_threads = 1',
      { signal: stop.signal },
    )
    const left = expect(slow).rejects.toThrow('enough')
    const running = async (): Promise<number> =>
      (await clickhouse.query("SELECT 1 FROM system.processes WHERE query LIKE '%max_threads = 1%'")).length
    await until(async () => (await running()) === 2)

    stop.abort(new Error('enough'))
    await left

    await until(async () => (await running()) === 1)
  })
})

describe('stream(sql, options)', () => {
  it('hands out rows one by one and may be left', async () => {
    const seen: unknown[] = []
    for await (const row of clickhouse.stream('SELECT number FROM numbers(100000)')) {
      seen.push(row)
      if (seen.length === 2) break
    }

    expect(seen).toEqual([{ number: 0 }, { number: 1 }])
  })

  it('rejects with the reason when it is aborted on the way', async () => {
    const stop = new AbortController()
    const read = async (): Promise<void> => {
      for await (const _ of clickhouse.stream('SELECT number FROM numbers(1000000)', {
        signal: stop.signal,
      })) {
        stop.abort(new Error('enough'))
      }
    }

    await expect(read()).rejects.toThrow('enough')
  })
})

describe('raw(sql, options)', () => {
  it('hands out the bytes of any format', async () => {
    const chunks: Uint8Array[] = []
    for await (const chunk of clickhouse.raw('SELECT 1 AS a, 2 AS b;', { format: 'CSVWithNames' })) {
      chunks.push(chunk)
    }

    expect(Buffer.concat(chunks).toString()).toBe('"a","b"\n1,2\n')
  })

  it('hands out Arrow that the JavaScript of Arrow can read', async () => {
    const bytes = clickhouse.raw('SELECT number AS n FROM numbers(5)', { format: 'ArrowStream' })
    const chunks: Uint8Array[] = []
    for await (const chunk of bytes) chunks.push(chunk)

    const column = tableFromIPC(Buffer.concat(chunks)).getChild('n')

    expect(column?.toArray()).toEqual(new BigUint64Array([0n, 1n, 2n, 3n, 4n]))
  })
})

describe('insert(table, rows, options)', () => {
  it('stores what it is given', async () => {
    await clickhouse.command(
      'CREATE TABLE a (id UInt64, text String, at DateTime64(3)) ENGINE = MergeTree ORDER BY id',
    )
    const at = '2026-11-23T01:02:03.004Z'

    await clickhouse.insert('a', [{ id: 2n ** 64n - 1n, text: `it's \\ "ü"\n`, at }])

    expect(await clickhouse.query('SELECT * FROM a')).toEqual([
      { id: 2n ** 64n - 1n, text: `it's \\ "ü"\n`, at: '2026-11-23 01:02:03.004' },
    ])
  })

  it('refuses a field that the table lacks', async () => {
    await clickhouse.command('CREATE TABLE b (id UInt64) ENGINE = MergeTree ORDER BY id')

    await expect(clickhouse.insert('b', [{ id: 1 }, { id: 2, more: 3 }])).rejects.toMatchObject({
      code: 'CLICKHOUSE_FAILED',
    })
    expect(await count('b')).toBe(0)
  })

  it('drops a second insert under the same token, whatever its rows', async () => {
    const settings = { non_replicated_deduplication_window: 100 }
    await clickhouse.command(createTable({ ...people, name: 'tokens', settings }))

    await clickhouse.insert('tokens', [{ id: 1 }], { token: 'first' })
    await clickhouse.insert('tokens', [{ id: 2 }], { token: 'first' })
    await clickhouse.insert('tokens', [{ id: 1 }], { token: 'second' })

    expect(await clickhouse.query('SELECT id FROM tokens')).toEqual([{ id: 1 }, { id: 1 }])
  })
})

describe('insert(table, rows), of rows of which one cannot be written', () => {
  it('loads nothing and fails with the error of that row, though others are sent already', async () => {
    await clickhouse.command(createTable({ ...people, name: 'd' }))
    const fault = new Error('the row is broken')
    const unwritable = {
      toJSON: () => {
        throw fault
      },
    }
    const rows = [...Array.from({ length: 50_000 }, (_, id) => ({ id })), unwritable]

    await expect(clickhouse.insert('d', rows)).rejects.toBe(fault)

    expect(await count('d')).toBe(0)
  })
})

describe('insertFile(table, format, path)', () => {
  it('loads a Parquet file', async () => {
    const chunks: Uint8Array[] = []
    const select = "SELECT number AS id, 'x' AS name FROM numbers(5000)"
    for await (const chunk of clickhouse.raw(select, { format: 'Parquet' })) chunks.push(chunk)
    const path = join(home.path, 'people.parquet')
    await writeFile(path, Buffer.concat(chunks))
    await clickhouse.command(createTable({ ...people, name: 'c' }))

    await clickhouse.insertFile('c', 'Parquet', path)

    expect(await count('c')).toBe(5000)
  })

  it('names a file that is not there', async () => {
    await expect(clickhouse.insertFile('c', 'Parquet', '/nowhere.parquet')).rejects.toThrow(
      '/nowhere.parquet',
    )
  })

  it('fails with the error of a file that breaks off while it is read', async () => {
    await expect(clickhouse.insertFile('c', 'Parquet', home.path)).rejects.toMatchObject({
      code: 'EISDIR',
    })
  })
})

const people: TableDeclaration = {
  name: 'people',
  columns: [
    { name: 'id', type: 'UInt64' },
    { name: 'name', type: 'LowCardinality(String)', default: "'no one'", comment: "a person's" },
    { name: 'born', type: "Nullable(DateTime64(6, 'UTC'))" },
  ],
  engine: { kind: 'MergeTree' },
  orderBy: ['id'],
}

describe('ensureTables(clickhouse, tables)', () => {
  it('makes database and table, and is safe to repeat', async () => {
    const table: TableDeclaration = {
      ...people,
      name: 'town.people',
      engine: { kind: 'ReplacingMergeTree', version: 'id' },
      partitionBy: 'id % 10',
      settings: { non_replicated_deduplication_window: 1000, storage_policy: 'default' },
      comment: 'who lives here',
    }

    await ensureTables(clickhouse, [table, { ...people, name: 'crowd' }])
    await ensureTables(clickhouse, [table, { ...people, name: 'crowd' }])

    for (const name of ['town.people', 'default.crowd']) {
      expect(
        await clickhouse.query(
          `SELECT name, type FROM system.columns WHERE concat(database, '.', table) = '${name}' ORDER BY position`,
        ),
      ).toEqual(table.columns.map(({ name: column, type }) => ({ name: column, type })))
    }
  })

  it('adds a column that came later to a table that is there, with its default for the rows there are', async () => {
    await ensureTables(clickhouse, [{ ...people, name: 'hamlet' }])
    await clickhouse.insert('hamlet', [{ id: 1 }])
    const age = { name: 'age', type: 'Int64', default: '-1', isLater: true }
    const later: TableDeclaration = { ...people, name: 'hamlet', columns: [...people.columns, age] }

    await Promise.all([1, 2, 3].map(() => ensureTables(clickhouse, [later])))

    expect(await clickhouse.query('SELECT id, age FROM hamlet')).toEqual([{ id: 1, age: -1 }])
  })

  it('names the column in which the table that is there differs', async () => {
    await ensureTables(clickhouse, [{ ...people, name: 'village' }])
    const columns = people.columns.with(2, { name: 'born', type: 'Date' })

    await expect(ensureTables(clickhouse, [{ ...people, name: 'village', columns }])).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
      message: expect.stringContaining("expected column born to be Date, got Nullable(DateTime64(6, 'UTC'))"),
    })
  })
})

describe('where all is there already', () => {
  it('asks once for the tables and once for the views, and changes nothing', async () => {
    const tables = ['castle.people', 'castle.guests', 'hermit'].map((name) => ({ ...people, name }))
    const views = [{ name: 'castle.all', select: 'SELECT id FROM castle.people' }]
    await ensureTables(clickhouse, tables)
    await ensureViews(clickhouse, views)
    const statements: string[] = []
    const watched: ClickHouse = {
      ...clickhouse,
      query: (sql, options) => {
        statements.push(sql.slice(0, 6))
        return clickhouse.query(sql, options)
      },
      command: (sql, options) => {
        statements.push(sql)
        return clickhouse.command(sql, options)
      },
    }

    await ensureTables(watched, tables)
    await ensureViews(watched, views)

    expect(statements).toEqual(['SELECT', 'SELECT'])
  })
})

describe('ensureViews(clickhouse, views)', () => {
  it.each([
    'DROP VIEW IF EXISTS mill.shown',
    'CREATE OR REPLACE VIEW mill.shown AS SELECT id + 2 AS id FROM mill.people',
  ])('makes the view of what is declared after %s', async (accident) => {
    await ensureTables(clickhouse, [{ ...people, name: 'mill.people' }])
    await clickhouse.command('TRUNCATE TABLE mill.people')
    await clickhouse.insert('mill.people', [{ id: 1 }])
    const view = { name: 'mill.shown', select: 'SELECT id FROM mill.people' }
    await ensureViews(clickhouse, [view])
    await clickhouse.command(accident)

    await ensureViews(clickhouse, [view])

    expect(await clickhouse.query('SELECT id FROM mill.shown')).toEqual([{ id: 1 }])
  })

  it('replaces a view whose declaration has changed', async () => {
    await ensureViews(clickhouse, [{ name: 'weather', select: 'SELECT 1 AS degrees' }])

    await ensureViews(clickhouse, [{ name: 'weather', select: 'SELECT 2 AS degrees' }])

    expect(await clickhouse.query('SELECT degrees FROM weather')).toEqual([{ degrees: 2 }])
  })
})

describe('openClickHouse({ url })', () => {
  it('works with the same server by its address', async () => {
    await using direct = await openClickHouse(await home.endpoint())

    expect(await direct.version()).toMatch(/^26\./)
  })

  it('says that a wrong password was refused', async () => {
    const { url } = await home.endpoint()

    await expect(openClickHouse({ url, password: 'wrong' })).rejects.toMatchObject({
      code: 'CLICKHOUSE_REFUSED',
    })
  })

  it('says that nobody answers', async () => {
    await expect(openClickHouse({ url: 'http://127.0.0.1:1' })).rejects.toMatchObject({
      code: 'CLICKHOUSE_UNAVAILABLE',
      details: { ambiguous: false },
    })
  })

  it('has an insert written by one thread, whatever the server does by default: its rows are one part', async () => {
    const asked: string[] = []
    const server: Server = createServer((request, response) => {
      asked.push(new URL(request.url ?? '', 'http://localhost').searchParams.get('max_insert_threads') ?? '')
      request.resume().on('end', () => response.end('{"version":"26.8"}\n'))
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    // A TCP server's address is an AddressInfo.
    const { port } = server.address() as AddressInfo

    try {
      await using client = await openClickHouse({ url: `http://127.0.0.1:${port}` })
      await client.insert('t', [{ a: 1 }])
    } finally {
      server.closeAllConnections()
      server.close()
    }

    expect(asked.at(-1)).toBe('1')
  })

  it.each([
    'a row that is enough',
    'an abort',
  ])('tells a server to end the statement of a stream that is left by %s, also when it is closed at once', async (way) => {
    const [begun, killed]: [string[], string[]] = [[], []]
    const server: Server = createServer((request, response) => {
      const id = new URL(request.url ?? '', 'http://localhost').searchParams.get('query_id') ?? ''
      let sql = ''
      request.setEncoding('utf8').on('data', (text: string) => {
        sql += text
      })
      request.on('end', () => {
        killed.push(...(/query_id = '(.*)'/.exec(sql)?.slice(1) ?? []))
        if (!sql.includes('endless')) return void response.end('{"version":"26.8"}\n')
        begun.push(id)
        // Rows that never end.
        response.write('{"a":1}\n'.repeat(10_000))
      })
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    // A TCP server's address is an AddressInfo.
    const { port } = server.address() as AddressInfo

    try {
      await using client = await openClickHouse({ url: `http://127.0.0.1:${port}` })
      const stop = new AbortController()
      const read = async (): Promise<void> => {
        for await (const _ of client.stream('select endless', { signal: stop.signal })) {
          if (way !== 'an abort') return
          stop.abort(new Error('enough'))
        }
      }
      await read().catch(() => undefined)
    } finally {
      server.closeAllConnections()
      server.close()
    }

    expect(begun).toHaveLength(1)
    expect(killed).toEqual(begun)
  })

  it('gives up opening when it is aborted, where the server takes the connection and says nothing', async () => {
    await using proxy = await stallBefore(await home.endpoint().then(({ url }) => url))
    proxy.stall = 'unheard'
    const stop = new AbortController()
    const opening = openClickHouse({ url: proxy.url, signal: stop.signal })
    const left = expect(opening).rejects.toThrow('enough')
    await until(async () => proxy.stalled > 0)

    stop.abort(new Error('enough'))

    await left
  })

  it('calls an insert whose answer was lost ambiguous, and sends it once; a query it repeats', async () => {
    let [inserts, queries] = [0, 0]
    const server: Server = createServer((request, response) => {
      const isInsert = request.url?.includes('INSERT') ?? false
      if (isInsert) inserts++
      request.resume().on('end', () => {
        // The first answer to each of both is lost.
        if (isInsert || ++queries === 2) response.socket?.destroy()
        else response.end('{"version":"23.8"}\n')
      })
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    // A TCP server's address is an AddressInfo.
    const { port } = server.address() as AddressInfo

    try {
      await using client = await openClickHouse({ url: `http://127.0.0.1:${port}` })
      const version = await client.version()
      const insert = client.insert('t', [{ a: 1 }])

      expect(version).toBe('23.8')
      expect(queries).toBe(3)
      await expect(insert).rejects.toMatchObject({
        code: 'CLICKHOUSE_UNAVAILABLE',
        details: { ambiguous: true },
      })
      expect(inserts).toBe(1)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })
})
