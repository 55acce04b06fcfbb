/** The HTTP interface as curl, Grafana and other clients of ClickHouse see it. */
import { request } from 'node:http'
import { connect } from 'node:net'
import { gunzipSync, gzipSync } from 'node:zlib'
import { tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Home, temporaryHome, until } from './home.fixture.ts'
import { builtServer } from './shared.fixture.ts'

let home: Home

beforeAll(async () => {
  home = await temporaryHome()
  const { findOrStart } = await builtServer()
  await findOrStart(home.path, { idleMs: 30_000, deadlineMs: 60_000 })
})

afterAll(async () => {
  await home[Symbol.asyncDispose]()
})

const ask = (params: Record<string, string>, init: RequestInit = {}): Promise<Response> =>
  home.ask(`/?${new URLSearchParams(params)}`, init)
const post = async (sql: string, params: Record<string, string> = {}): Promise<string> =>
  await (await ask(params, { method: 'POST', body: sql })).text()

describe('a statement', () => {
  it('comes in the URL, in the body, or in both', async () => {
    expect(await (await ask({ query: 'SELECT 1' })).text()).toBe('1\n')
    expect(await post('SELECT 2')).toBe('2\n')
    expect(await post('+ 1', { query: 'SELECT 2' })).toBe('3\n')
  })

  it('comes compressed', async () => {
    const init = { method: 'POST', body: gzipSync('SELECT 4'), headers: { 'Content-Encoding': 'gzip' } }

    expect(await (await ask({}, init)).text()).toBe('4\n')
  })

  it('takes its settings, its database and its format from the URL', async () => {
    await post('CREATE DATABASE IF NOT EXISTS elsewhere')

    const answer = await post("SELECT currentDatabase() d, getSetting('max_threads') t", {
      database: 'elsewhere',
      max_threads: '1',
      default_format: 'JSONEachRow',
      query_id: 'mine',
      session_id: 'whatever',
      wait_end_of_query: '1',
    })

    expect(JSON.parse(answer)).toEqual({ d: 'elsewhere', t: 1 })
  })

  it('binds parameters as ClickHouse does', async () => {
    const answer = await post(
      `SELECT {s:String} s, {a:Array(String)} a, {n:Nullable(UInt8)} n, {i:Int64} i, {d:Date} d,
              {t:DateTime64(3)} t, {m:Map(String, UInt8)} m, 5 AS {c:Identifier} FORMAT JSONEachRow`,
      {
        param_s: `it's \\\\ "ü" \\n; DROP TABLE x --`,
        param_a: `['a\\'b','\\\\','ü']`,
        param_n: '\\N',
        param_i: '-9007199254740993',
        param_d: '2026-11-23',
        param_t: '2026-11-23 01:02:03.004',
        param_m: `{'k':1}`,
        param_c: 'a ` name',
        output_format_json_quote_64bit_integers: '1',
      },
    )

    expect(JSON.parse(answer)).toEqual({
      s: `it's \\ "ü" \n; DROP TABLE x --`,
      a: ["a'b", '\\', 'ü'],
      n: null,
      i: '-9007199254740993',
      d: '2026-11-23',
      t: '2026-11-23 01:02:03.004',
      m: { k: 1 },
      'a ` name': 5,
    })
  })

  it('ends in the words and with the status of ClickHouse', async () => {
    const answer = await ask({}, { method: 'POST', body: 'SELECT * FROM nowhere' })

    expect(answer.status).toBe(404)
    expect(answer.headers.get('X-ClickHouse-Exception-Code')).toBe('60')
    expect(await answer.text()).toMatch(
      /^Code: 60\. DB::Exception: .*nowhere.*\(UNKNOWN_TABLE\) \(version 26\.\S+\)\n$/,
    )
  })

  it.each([
    ['SELECT 1 SELECT 2', 62],
    ['SELECT 1; SELECT 2', 62],
    ['SELECT nothing', 47],
    ['SELECT * FROM nowhere.t', 81],
    ['SELECT {x:UInt8}', 456],
    ['SELECT 1 SETTINGS nonsense = 1', 115],
    ['', 62],
    ["SELECT 1 INTO OUTFILE '/tmp/x'", 48],
  ])('%j fails with code %d', async (sql, code) => {
    const answer = await ask({}, { method: 'POST', body: sql })

    expect(answer.headers.get('X-ClickHouse-Exception-Code')).toBe(String(code))
  })

  it('cannot change anything by GET', async () => {
    const answer = await ask({ query: 'CREATE TABLE by_get (a Int8) ENGINE = Memory' })

    expect(await answer.text()).toContain('Code: 164.')
  })

  it('tells who answered, in what format, and how much was read', async () => {
    const { headers } = await ask({ query: 'SELECT number FROM numbers(3) FORMAT CSV', query_id: 'q7' })

    expect(headers.get('X-ClickHouse-Query-Id')).toBe('q7')
    expect(headers.get('X-ClickHouse-Format')).toBe('CSV')
    expect(headers.get('X-ClickHouse-Timezone')).toBe('UTC')
    expect(headers.get('X-ClickHouse-Summary')).toContain('"read_rows":"3"')
  })

  it('answers compressed when asked to', async () => {
    const { url, username, password } = await home.endpoint()
    const bytes = await new Promise<Buffer>((resolve, reject) => {
      const headers = {
        'X-ClickHouse-User': username,
        'X-ClickHouse-Key': password,
        'Accept-Encoding': 'gzip',
      }
      const query = encodeURIComponent('SELECT number FROM numbers(1000)')
      request(`${url}/?enable_http_compression=1&query=${query}`, { headers }, (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('end', () => resolve(Buffer.concat(chunks)))
      })
        .on('error', reject)
        .end()
    })

    expect(gunzipSync(bytes).toString().split('\n')).toHaveLength(1001)
  })

  it('answers in binary formats', async () => {
    const query = "SELECT number, 'ü' AS s FROM numbers(3) FORMAT ArrowStream"
    const answer = await ask({ query, output_format_arrow_compression_method: 'none' })
    const table = tableFromIPC(new Uint8Array(await answer.arrayBuffer()))

    expect(table.getChild('number')?.toArray()).toEqual(new BigUint64Array([0n, 1n, 2n]))
  })

  it('answers whole with more than fits in memory', async () => {
    const answer = await ask({ query: 'SELECT number FROM numbers(10000000) FORMAT RowBinary' })
    let size = 0
    for await (const chunk of answer.body ?? []) size += chunk.byteLength

    expect(size).toBe(80_000_000)
  })
})

describe('an insert', () => {
  const rowsOf = async (table: string): Promise<string> => await post(`SELECT * FROM ${table} ORDER BY ALL`)

  it.each([
    ['query in the URL, data in the body', 'INSERT INTO b FORMAT JSONEachRow', '{"a":1,"b":"x"}\n{"a":2}\n'],
    ['query and data in the body', '', 'INSERT INTO b FORMAT CSV\n1,x\n2,\n'],
    ['query and data in the URL', "INSERT INTO b VALUES (1, 'x'), (2, '')", ''],
    [
      'settings before the format',
      'INSERT INTO b (a, b) SETTINGS async_insert = 0 FORMAT TSV',
      '1\tx\n2\t\n',
    ],
  ])('takes %s', async (_, query, body) => {
    await post('CREATE OR REPLACE TABLE b (a UInt64, b String) ENGINE = MergeTree ORDER BY a')
    await (await ask(query === '' ? {} : { query }, { method: 'POST', body })).text()

    expect(await rowsOf('b')).toBe('1\tx\n2\t\n')
  })

  it.each(['Parquet', 'ArrowStream', 'RowBinary', 'Native'])('takes %s', async (format) => {
    await post('CREATE OR REPLACE TABLE c (a UInt64, b String) ENGINE = MergeTree ORDER BY a')
    const source = await ask({
      query: `SELECT number AS a, concat('ü\n', toString(number)) AS b FROM numbers(1000) FORMAT ${format}`,
    })
    const body = gzipSync(new Uint8Array(await source.arrayBuffer()))

    const headers = { 'Content-Encoding': 'gzip' }
    const answer = await ask({ query: `INSERT INTO c FORMAT ${format}` }, { method: 'POST', body, headers })

    expect(answer.status).toBe(200)
    expect(await post("SELECT count(), sum(a), min(b) = 'ü\n0' FROM c")).toBe('1000\t499500\t1\n')
  })

  it('of a million rows and more is one part', async () => {
    await post('CREATE OR REPLACE TABLE d (a UInt64) ENGINE = MergeTree ORDER BY a')
    const source = await ask({ query: 'SELECT number AS a FROM numbers(3000000) FORMAT RowBinary' })
    const body = new Uint8Array(await source.arrayBuffer())

    await (await ask({ query: 'INSERT INTO d FORMAT RowBinary' }, { method: 'POST', body })).text()

    const parts = "SELECT count(), sum(rows) FROM system.parts WHERE table = 'd' AND active"
    expect(await post(parts)).toBe('1\t3000000\n')
  })

  it('that cannot be read leaves nothing and names the row, not our files', async () => {
    await post('CREATE OR REPLACE TABLE e (a UInt64) ENGINE = MergeTree ORDER BY a')

    const query = 'INSERT INTO e FORMAT JSONEachRow'
    const answer = await ask({ query }, { method: 'POST', body: '{"a":1}\n{"a":"x"}\n' })
    const text = await answer.text()

    expect(answer.status).toBe(400)
    expect(text).toContain('(at row 2)')
    expect(text).not.toContain(home.path)
    expect(await rowsOf('e')).toBe('')
  })

  it('into more than a hundred partitions is refused unless the limit is lifted', async () => {
    await post('CREATE OR REPLACE TABLE f (a UInt64) ENGINE = MergeTree PARTITION BY a ORDER BY a')
    const query = 'INSERT INTO f FORMAT TSV'
    const body = Array.from({ length: 120 }, (_, row) => `${row}\n`).join('')

    const refused = await ask({ query }, { method: 'POST', body })
    const taken = await ask({ query, max_partitions_per_insert_block: '0' }, { method: 'POST', body })

    expect(refused.headers.get('X-ClickHouse-Exception-Code')).toBe('252')
    expect(taken.status).toBe(200)
  })
})

describe('who is asking', () => {
  const basic = (user: string, key: string): RequestInit => ({
    headers: { Authorization: `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}` },
  })

  it('may be told in three ways', async () => {
    const { username, password, url } = await home.endpoint()
    const query = 'SELECT 1'

    const answers = [
      await ask({ query }, basic(username, password)),
      await ask({ query }, { headers: { 'X-ClickHouse-User': username, 'X-ClickHouse-Key': password } }),
      await fetch(`${url}/?${new URLSearchParams({ query, user: username, password })}`),
    ]

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  })

  it.each([
    ['nobody', {}],
    ['a wrong password', { Authorization: `Basic ${Buffer.from('default:wrong').toString('base64')}` }],
    ['another user', { 'X-ClickHouse-User': 'root', 'X-ClickHouse-Key': '' }],
  ])('is refused when it is %s', async (_, headers) => {
    const { url } = await home.endpoint()
    const answer = await fetch(`${url}/?query=SELECT+1`, { headers })

    expect(answer.status).toBe(403)
    expect(await answer.text()).toContain('Code: 516.')
  })

  it('must have come by a name of this machine', async () => {
    const { url } = await home.endpoint()
    const asHost = (host: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        request(`${url}/ping`, { headers: { Host: host } }, (answer) => {
          answer.resume()
          resolve(answer.statusCode)
        })
          .on('error', reject)
          .end()
      })
    const { port } = new URL(url)

    expect(await asHost(`localhost:${port}`)).toBe(200)
    expect(await asHost(`[::1]:${port}`)).toBe(200)
    expect(await asHost(`evil.example:${port}`)).toBe(403)
    expect(await asHost('127.0.0.1:1')).toBe(403)
  })

  it.each([
    ['GET', '//', 'evil.example:1', 'Code: 291.'],
    ['GET', 'http://[', undefined, 'Code: 1000.'],
    ['POST', '/nowhere', undefined, 'There is no handle'],
    ['DELETE', '/', undefined, 'Code: 1000.'],
    ['GET', '/', undefined, 'Code: 516.'],
  ])('closes the connection of a bad request: %s %s from %s', async (method, path, host, text) => {
    const { url } = await home.endpoint()
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    let told = ''
    socket.on('data', (chunk: Buffer) => {
      told += chunk.toString()
    })
    socket.write(`${method} ${path} HTTP/1.1\r\nHost: ${host ?? `${hostname}:${port}`}\r\n\r\n`)
    await new Promise((closed) => socket.on('close', closed))

    expect(told).toContain(text)
    expect(told).toMatch(/^Connection: close\r$/im)
  })

  it('may ping without a password', async () => {
    const { url } = await home.endpoint()

    expect(await (await fetch(`${url}/ping`)).text()).toBe('Ok.\n')
  })
})

describe('the password', () => {
  it.each([
    "SELECT * FROM file('/etc/passwd', LineAsString)",
    'SELECT * FROM `/etc/passwd`',
    "SELECT file('/etc/passwd')",
    "INSERT INTO FUNCTION file('/tmp/never-written.csv') SELECT 1",
    "INSERT INTO FUNCTION file('/tmp/never-written.csv', CSV, 'a UInt8') FORMAT CSV\n1",
    "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a UInt8')",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/key', CSV, 'a UInt8')",
    "SELECT * FROM remote('127.0.0.1:1', system.one)",
    "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM sqlite('/tmp/never-written.db', 't')",
    "SELECT * FROM executable('x.sh', TSV, 'a UInt8')",
    "SELECT * FROM deltaLakeLocal('/tmp')",
    'CREATE TABLE f (a UInt8) ENGINE = File(CSV)',
    "CREATE TABLE f (a UInt8) ENGINE = URL('http://127.0.0.1:1/', CSV)",
    "CREATE TABLE f (a UInt8) ENGINE = EmbeddedRocksDB(0, '/tmp/never-written') PRIMARY KEY a",
    "CREATE TABLE f (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = '/tmp/x/')",
    "CREATE DATABASE f ENGINE = Filesystem('/etc')",
    "CREATE DATABASE f ENGINE = SQLite('/tmp/never-written.db')",
    "CREATE DICTIONARY d (a UInt64, b UInt64) PRIMARY KEY a SOURCE(EXECUTABLE(command 'id' format 'CSV')) LAYOUT(FLAT()) LIFETIME(0)",
    "CREATE NAMED COLLECTION c AS url = 'http://127.0.0.1:1/'",
    "BACKUP DATABASE default TO S3('http://127.0.0.1:1/b', 'k', 's')",
    'CREATE USER another',
    'GRANT SOURCES ON *.* TO default',
    'SYSTEM SHUTDOWN',
  ])('reaches nothing outside the tables: %s', async (sql) => {
    const answer = await ask({}, { method: 'POST', body: sql })

    expect(await answer.text()).toContain('(ACCESS_DENIED)')
    expect(answer.ok).toBe(false)
  })

  it('reads no file by a value of an insert', async () => {
    await post('CREATE TABLE texts (a String) ENGINE = Memory')

    const refused = await Promise.all([
      post("INSERT INTO texts VALUES (file('/etc/passwd'))"),
      post("INSERT INTO texts VALUES (file(concat('/etc', '/passwd')))"),
      post(
        "INSERT INTO texts SETTINGS input_format_values_interpret_expressions = 1 VALUES (file('/etc/passwd'))",
      ),
      post("INSERT INTO texts VALUES (file('/etc/passwd'))", {
        input_format_values_interpret_expressions: '1',
      }),
      post("INSERT INTO texts VALUES (file('/etc/passwd'))", {
        input_format_values_deduce_templates_of_expressions: '1',
      }),
    ])

    expect(refused.filter((text) => !text.startsWith('Code: '))).toEqual([])
    expect(await post('SELECT count() FROM texts')).toBe('0\n')
  })

  it('still makes databases, tables, views and functions', async () => {
    const statements = [
      'CREATE DATABASE IF NOT EXISTS lake',
      'CREATE TABLE lake.t (a UInt8) ENGINE = ReplacingMergeTree ORDER BY a',
      'CREATE VIEW lake.v AS SELECT a FROM lake.t',
      'CREATE FUNCTION plusOne AS (x) -> x + 1',
      'INSERT INTO lake.t VALUES (1), (2)',
      'ALTER TABLE lake.t ADD COLUMN b String',
      'DROP FUNCTION plusOne',
      'DROP DATABASE lake SYNC',
    ]
    const answers: string[] = []
    for (const sql of statements) answers.push(await post(sql))

    expect(answers).toEqual(statements.map(() => ''))
  })
})

describe('many at once', () => {
  const endless = 'SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1'
  const running = async (): Promise<string> =>
    await post("SELECT count() FROM system.processes WHERE query LIKE 'SELECT count() FROM numbers%'")

  it('a slow query holds up neither a hundred panels nor an insert, and ends with its client', async () => {
    await post('CREATE OR REPLACE TABLE g (a UInt64) ENGINE = MergeTree ORDER BY a')
    const away = new AbortController()
    let isSlowOver = false
    const slow = ask({ query: endless }, { signal: away.signal }).finally(() => {
      isSlowOver = true
    })
    const left = expect(slow).rejects.toThrow()
    await until(async () => (await running()) === '1\n')

    const panels = await Promise.all(Array.from({ length: 100 }, (_, panel) => post(`SELECT ${panel}`)))
    const insert = await ask({ query: 'INSERT INTO g FORMAT TSV' }, { method: 'POST', body: '1\n' })

    expect(panels).toEqual(Array.from({ length: 100 }, (_, panel) => `${panel}\n`))
    expect(insert.status).toBe(200)
    expect(isSlowOver).toBe(false)
    expect(await running()).toBe('1\n')

    away.abort()
    await left
    await until(async () => (await running()) === '0\n')
  })
})
