import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import type { ColumnType, TypedColumn } from '../duckdb/column-type.ts'
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts'
import { decimal256 } from './parquet.fixture.ts'
import { openRowFile } from './row-file.ts'

let duckdb: DuckDb
let folder: string
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 2 })
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-row-file-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  duckdb[Symbol.dispose]()
})

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

interface Found {
  readonly columns: readonly string[]
  /** The line, and the texts. */
  readonly rows: readonly (readonly unknown[])[]
}

/** Name and type of each column, and the texts that the engine is given. */
async function found(
  name: string,
  content: string | Uint8Array,
  known: readonly TypedColumn[] = [],
): Promise<Found> {
  await using opened = await openRowFile(await file(name, content), { known })
  const { content: texts } = opened
  if (texts.kind !== 'texts') throw new Error(`expected texts, got ${texts.kind}`)
  const columns = texts.columns.map(({ name: column, type }) => `${column} ${typeText(type)}`)
  if (columns.length === 0) return { columns, rows: [] }
  const rows = await duckdb.use((session) => session.rows(`select * from ${texts.source}`))
  expect(rows).toHaveLength(texts.rows)
  return { columns, rows: rows.map((row) => Object.values(row)) }
}

function typeText(type: ColumnType): string {
  switch (type.kind) {
    case 'scalar':
      return type.name
    case 'decimal':
      return `DECIMAL(${type.precision},${type.scale})`
    case 'list':
      return `${typeText(type.element)}[]`
    case 'map':
      return `MAP(${typeText(type.key)}, ${typeText(type.value)})`
    case 'struct':
      return `STRUCT(${type.fields.map(({ name, type: inner }) => `${name} ${typeText(inner)}`).join(', ')})`
  }
}

/** The message behind the path of the file. */
async function faultOf(name: string, content: string | Uint8Array): Promise<string> {
  try {
    await found(name, content)
  } catch (error) {
    if (isLakeError(error, 'SOURCE_FAILED')) return error.message.slice(join(folder, name).length)
    throw error
  }
  return 'no fault'
}

describe('openRowFile(csv)', () => {
  it('reads every record as it is, whatever it begins with', async () => {
    expect(await found('a.csv', 'a,b\n#1,"x\ny"\r\n"",\n\n"say ""hi""",  z ')).toEqual({
      columns: ['a VARCHAR', 'b VARCHAR'],
      rows: [
        [2n, '#1', 'x\ny'],
        [4n, '', null],
        [6n, 'say "hi"', '  z '],
      ],
    })
  })

  it('takes an empty line for a row where there is one column', async () => {
    expect((await found('a.csv', 'a\n1\n\n2\n')).rows).toEqual([
      [2n, '1'],
      [3n, null],
      [4n, '2'],
    ])
  })

  it.each<readonly [string, readonly string[]]>([
    ['BIGINT', ['1', '-9223372036854775808']],
    ['DOUBLE', ['1.5', '2', '1e-7']],
    ['DECIMAL(18,2)', ['1.10', '-2.00']],
    ['DECIMAL(38,1)', ['1234567890123456789.5']],
    ['BOOLEAN', ['true', 'false']],
    ['DATE', ['2024-02-29', '0001-01-01']],
    ['TIMESTAMP WITH TIME ZONE', ['2024-01-02T03:04:05.000006Z']],
    ['TIMESTAMP', ['2024-01-02T03:04:05.000006']],
    ['VARCHAR', ['9007199254740993', '1.5']],
    ['VARCHAR', ['1.10', '1.5']],
    ...[
      '007',
      '+5',
      '-0',
      '-0.0',
      '1e3',
      '1e400',
      '0x1F',
      'yes',
      'NaN',
      '01/02/2024',
      '10-11-12',
      '2024-02-30',
      '0000-01-01',
    ].map((value): readonly [string, readonly string[]] => ['VARCHAR', [value]]),
    ...[
      '12345678901234567890123',
      '2024-01-02T03:04:05.123456789Z',
      '2024-01-02T03:04:05+02:00',
      '550E8400-E29B-41D4-A716-446655440000',
    ].map((value): readonly [string, readonly string[]] => ['VARCHAR', [value]]),
  ])('has %s for %j', async (type, values) => {
    expect(await found('a.csv', `a\n${values.join('\n')}\n`)).toEqual({
      columns: [`a ${type}`],
      rows: values.map((value, index) => [BigInt(index + 2), value]),
    })
  })

  it.each([
    ['a,b\n1,2,x\n3,4,y\n', ', line 2: CSV: expected 2 fields as in the header, got 3'],
    ['a,b\n1,2\na,b,c\n3,4,5\n', ', line 3: CSV: expected 2 fields as in the header, got 3'],
    ['a,b\n"x\ny",1\n2\n', ', line 4: CSV: expected 2 fields as in the header, got 1'],
    ['a\nx"y\n', ', line 2, column 2: CSV: a quote within a field'],
    ['a\n"x\n', ', line 2, column 1: the quote that opens here is not closed'],
    ['a\n"x" \n', ', line 2, column 4: CSV: expected a comma or the end of the line'],
    ['a\nx\ry\n', ', line 2, column 2: CSV: a carriage return without a newline'],
    ['a,A\n1,2\n', ', line 1: the header names the columns "a" and "A", which are one'],
    ['a,,c\n1,2,3\n', ', line 1: the header has no name for its field 2'],
  ])('refuses %j', async (content, words) => {
    const message = await faultOf('a.csv', content)

    expect(message).toContain(words)
    expect(message.split('\n')).toHaveLength(1)
  })

  it('names the line of bytes that are not UTF-8', async () => {
    expect(await faultOf('a.csv', Buffer.from('a\nb\n\xff\n', 'latin1'))).toBe(
      ', line 3: the bytes are not UTF-8',
    )
  })

  it('has names and no rows for a header alone, and nothing for nothing', async () => {
    expect(await found('a.csv', 'a,b')).toEqual({ columns: ['a VARCHAR', 'b VARCHAR'], rows: [] })
    expect(await found('a.csv', '')).toEqual({ columns: [], rows: [] })
  })

  it('reads a record that is longer than a piece of the file', async () => {
    const long = 'line\n'.repeat(700_000)

    expect((await found('a.csv', `a,b\n1,"${long}"\n2,x\n`)).rows).toEqual([
      [2n, '1', long],
      [700_003n, '2', 'x'],
    ])
  })
})

describe('openRowFile(json)', () => {
  it('has a column for each key of sparse and wide objects', async () => {
    const sparse = Array.from({ length: 80 }, (_, n) => `{"k${n % 40}":${n}}`).join('\n')
    const wide = JSON.stringify(Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`k${n}`, n])))

    expect((await found('a.ndjson', sparse)).columns).toEqual(
      Array.from({ length: 40 }, (_, n) => `k${n} BIGINT`),
    )
    expect((await found('a.ndjson', wide)).columns).toEqual(
      Array.from({ length: 200 }, (_, n) => `k${n} BIGINT`),
    )
  })

  it.each([
    ['{"a":"550E8400-E29B-41D4-A716-446655440000"}', 'VARCHAR', '550E8400-E29B-41D4-A716-446655440000'],
    ['{"a":12345678901234567890123}', 'VARCHAR', '12345678901234567890123'],
    ['{"x":1,"a":0.1234567890123456789}', 'VARCHAR', '0.1234567890123456789'],
    ['{"a":1e400}', 'VARCHAR', '1e400'],
    ['{"a":1.10}', 'DOUBLE', '1.10'],
    ['{"a":-0}', 'DOUBLE', '-0'],
    ['{"a":9223372036854775807}', 'BIGINT', '9223372036854775807'],
    ['{"a":"1"}', 'VARCHAR', '1'],
    ['{"a":1}\n{"a":"1"}', 'VARCHAR', '1'],
    ['{"a":"2024-01-02"}', 'DATE', '2024-01-02'],
    ['{"a":"01/02/2024"}', 'VARCHAR', '01/02/2024'],
    ['{"a":true}', 'BOOLEAN', 'true'],
    ['{"a":null}', 'VARCHAR', null],
    ['{"a":"\\ufeff\\u0000\\n"}', 'VARCHAR', '\uFEFF\u0000\n'],
    ['{"a":{}}', 'VARCHAR', '{}'],
    ['{"a":[1, {"b":1.10}]}', 'VARCHAR[]', '["1","{\\"b\\":1.10}"]'],
    [
      '{"a":{"b":[1],"c":"x"}}\n{"a":{"d":true}}',
      'STRUCT(b BIGINT[], c VARCHAR, d BOOLEAN)',
      '{"b":["1"],"c":"x","d":null}',
    ],
  ])('of %s the column is %s', async (content, type, value) => {
    const { columns, rows } = await found('a.ndjson', content)

    expect(columns).toContain(`a ${type}`)
    expect(rows[0]?.[columns.indexOf(`a ${type}`) + 1]).toBe(value)
  })

  it('reads a list of objects, and objects over several lines', async () => {
    const rows = [
      [2n, '1'],
      [3n, '2'],
    ]

    expect((await found('a.json', '[\n{"a":1},\n{"a":2}\n]\n')).rows).toEqual(rows)
    expect((await found('a.ndjson', '\n{"a":1}\n{\n"a":2\n}\n')).rows).toEqual(rows)
  })

  it('invents no column for a file of nothing', async () => {
    for (const content of ['', '\n', '[]', ' [ ] ', '{}', '[{}]']) {
      expect((await found('a.json', content)).columns).toEqual([])
    }
  })

  it('takes objects for maps where the table has a map, however many keys there are', async () => {
    const known: readonly TypedColumn[] = [
      { name: 'm', type: { kind: 'map', key: scalar('VARCHAR'), value: scalar('BIGINT') } },
    ]
    const keys = Array.from({ length: 20_000 }, (_, n) => `{"m":{"k${n}":${n}}}`).join('\n')

    expect((await found('a.ndjson', keys, known)).columns).toEqual(['m MAP(VARCHAR, VARCHAR)'])
    expect(await faultOf('a.ndjson', keys)).toContain('line 10001, column 16: more than 10000 different keys')
  })

  it('refuses more columns than the engine can plan', async () => {
    const header = Array.from({ length: 10_001 }, (_, n) => `c${n}`)

    expect(await faultOf('a.csv', `${header.join(',')}\n${header.join(',')}\n`)).toContain(
      'line 1: the header has 10001 columns, and 10000 are the most',
    )
    expect((await found('a.csv', `${header.slice(1).join(',')}\n`)).columns).toHaveLength(10_000)
  })

  it.each([
    ['{"a":1}\n{"a":1,"A":2}', ', line 2, column 12: the keys "a" and "A" differ in case alone'],
    ['{"a":1}\n{"A":2}', ', line 2, column 6: the keys "a" and "A" differ in case alone'],
    ['{"a":1,"a":2}', ', line 1, column 12: the key "a" stands twice'],
    ['{"s":{"":1}}', ', line 1, column 10: an empty key names no column'],
    ['{"a":1}\n[]', ', line 2, column 1: expected a JSON object for each row, got "["'],
    ['[{"a":1},2]', ', line 1, column 10: expected a JSON object for each row, got "2"'],
    ['[{"a":1}', 'the list of rows does not end'],
    ['{"a":01}', ', line 1, column 6: expected a value, got "01"'],
    ['{"a":nan}', ', line 1, column 6: expected a value, got "nan"'],
    ['{"a":1,}', ', line 1, column 8: expected a key in double quotes, got "}"'],
    ['{"a":"x\ny"}', ', line 1, column 8: a text goes over the end of a line'],
    ['{"a":"\\ud800"}', 'holds half of a character'],
    ['{"a":"\\x"}', 'is no text of JSON'],
    [`{"a":${'['.repeat(600)}`, 'nested more than 500 deep'],
  ])('refuses %j', async (content, words) => {
    const message = await faultOf('a.ndjson', content)

    expect(message).toContain(words)
    expect(message.split('\n')).toHaveLength(1)
  })
})

const scalar = (name: string): ColumnType => ({ kind: 'scalar', name })

describe('openRowFile(path)', () => {
  it('unpacks gzip, and drops a byte order mark', async () => {
    const expected = { columns: ['a BIGINT'], rows: [[2n, '1']] }

    expect(await found('a.csv.gz', gzipSync('\uFEFFa\r\n1\r\n'))).toEqual(expected)
    expect(await found('a.json.gz', gzipSync('\uFEFF[\n{"a":1}]'))).toEqual(expected)
    expect(await faultOf('a.csv.gz', 'a\n1\n')).toContain('gzip: ')
    expect(await faultOf('a.csv.gz', gzipSync('a\n1\n').subarray(0, 15))).toContain('gzip: ')
  })

  it.each<readonly [string, string | Buffer, string]>([
    ['CSV', '\uFEFFa,b\n1,x\n', 'texts a,b'],
    ['JSON', ' {"a":1}\n', 'texts a'],
    ['a list of JSON', '[{"a":1}]', 'texts a'],
    ['what is packed', gzipSync('{"a":1}'), 'texts a'],
    ['Parquet', decimal256, 'parquet'],
  ])('reads %s from standard input', async (_name, bytes, what) => {
    await using opened = await openRowFile('-', { input: Readable.from([Buffer.from(bytes)]) })

    const { content } = opened
    expect(
      content.kind === 'texts' ? `texts ${content.columns.map(({ name }) => name).join(',')}` : content.kind,
    ).toBe(what)
  })

  it('ends when it is told to, also where no more comes', async () => {
    const controller = new AbortController()
    const opening = openRowFile('-', { input: new PassThrough(), signal: controller.signal })
    controller.abort(new Error('enough'))

    await expect(opening).rejects.toThrow('enough')
  })

  it('leaves nothing behind', async () => {
    const opened = await openRowFile(await file('a.csv.gz', gzipSync('a\n1\n')))
    if (opened.content.kind !== 'texts') throw new Error('expected texts')
    const path = /'(?<path>[^']*)'/.exec(opened.content.source)?.groups?.['path'] ?? ''
    await stat(path)

    await opened[Symbol.asyncDispose]()

    await expect(stat(dirname(path))).rejects.toThrow('ENOENT')
  })
})
