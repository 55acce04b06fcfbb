import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTemporaryTable } from '../../lib/duckdb/append.ts'
import { type DuckDb, type DuckDbSession, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { invalidReasons, parsedMessages } from './event-rules.ts'

let duckdb: DuckDb
let session: DuckDbSession
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  session = await duckdb.connect()
})
afterAll(() => {
  session[Symbol.dispose]()
  duckdb[Symbol.dispose]()
})

const appendedMs = Date.parse('2026-11-20T12:00:00Z')

async function judged(...values: readonly (string | Uint8Array | null)[]): Promise<readonly Row[]> {
  const bytes = values.map((value) => (typeof value === 'string' ? Buffer.from(value) : value))
  await createTemporaryTable(session, 'messages', [
    { name: 'kafka_partition', kind: 'integer', values: bytes.map(() => 0) },
    { name: 'kafka_offset', kind: 'bigint', values: bytes.map((_, index) => BigInt(index)) },
    { name: 'kafka_timestamp', kind: 'timestampMs', values: bytes.map(() => appendedMs) },
    { name: 'value', kind: 'blob', values: bytes },
  ])
  return session.rows(
    `select *, case when is_event then ${invalidReasons} end as invalid from (${parsedMessages('messages')}) order by kafka_offset`,
  )
}

const good = {
  event_id: 'e1',
  user_id: 7,
  event_type: 'click',
  page: '/home',
  timestamp: '2026-11-20T11:59:58.123456Z',
  source: 'web',
}
const withField = (name: string, json: string): string =>
  JSON.stringify({ ...good, [name]: '@' }).replace('"@"', json)
const without = (name: string): string =>
  JSON.stringify(Object.fromEntries(Object.entries(good).filter(([key]) => key !== name)))

describe('parsedMessages(messages)', () => {
  it('makes a row of an event, whatever else the object holds', async () => {
    const [row] = await judged(JSON.stringify({ extra: { deep: [1, { a: null }] }, ...good }))

    expect(row).toMatchObject({
      event_id: 'e1',
      user_id: 7n,
      event_type: 'click',
      page: '/home',
      timestamp: '2026-11-20T11:59:58.123456Z',
      source: 'web',
      event_date: '2026-11-20',
      reject_reasons: [],
      value: null,
      invalid: '',
    })
  })

  it.each<[string | Uint8Array | null, string[]]>([
    [null, ['value_missing']],
    ['', ['value_empty']],
    [new Uint8Array([0x7b, 0xff, 0x7d]), ['utf8_invalid']],
    ['{"event_id":', ['json_invalid']],
    ['{"a":1}{"b":2}', ['json_invalid']],
    ['{"a":"tab\there"}', ['json_invalid']],
    ['{"a":"\\ud800"}', ['json_invalid']],
    ['[1]', ['json_not_object']],
    ['7', ['json_not_object']],
    ['null', ['json_not_object']],
    [without('event_id'), ['event_id_missing']],
    [without('user_id'), ['user_id_missing']],
    [withField('page', 'null'), ['page_missing']],
    [withField('page', '{"x":1}'), ['page_not_text']],
    [withField('source', '5'), ['source_not_text']],
    [withField('event_type', '["click"]'), ['event_type_not_text']],
    [withField('user_id', '12.7'), ['user_id_not_whole_number']],
    [withField('user_id', '"12"'), ['user_id_not_whole_number']],
    [withField('user_id', 'true'), ['user_id_not_whole_number']],
    [withField('user_id', 'NaN'), ['user_id_not_whole_number']],
    [withField('user_id', '1e400'), ['user_id_not_whole_number']],
    [withField('user_id', '9223372036854775808'), ['user_id_not_whole_number']],
    [withField('timestamp', '1700000000'), ['timestamp_not_text']],
    [
      '{}',
      ['event_id', 'event_type', 'page', 'timestamp', 'source', 'user_id'].map((name) => `${name}_missing`),
    ],
  ])('rejects %j and says why', async (value, reasons) => {
    const [row] = await judged(value)

    expect(row).toMatchObject({ reject_reasons: reasons, event_id: null, user_id: null, event_date: null })
  })

  it.each([
    ['7', 7n],
    ['-1', -1n],
    ['9223372036854775807', 9223372036854775807n],
    ['-9223372036854775808', -9223372036854775808n],
    ['12.0', 12n],
    ['1e3', 1000n],
  ])('takes user_id %s as the whole number it is', async (json, expected) => {
    expect(await judged(withField('user_id', json))).toMatchObject([
      { user_id: expected, reject_reasons: [] },
    ])
  })

  it.each([
    ['2026-11-20T11:59', '2026-11-20T11:59:00.000000Z', '2026-11-20'],
    ['2026-11-20T11:59:01', '2026-11-20T11:59:01.000000Z', '2026-11-20'],
    ['2026-11-20T11:59:01.1', '2026-11-20T11:59:01.100000Z', '2026-11-20'],
    ['2026-11-20T11:59:01.1234569Z', '2026-11-20T11:59:01.123456Z', '2026-11-20'],
    ['2026-11-20T00:30:00+02', '2026-11-19T22:30:00.000000Z', '2026-11-19'],
    ['2026-11-20T23:30:00-05:30', '2026-11-21T05:00:00.000000Z', '2026-11-21'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000000Z', '0001-01-01'],
    ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z', '9999-12-31'],
    ['1969-12-31T23:59:59.9Z', '1969-12-31T23:59:59.900000Z', '1969-12-31'],
    ['2024-02-29T00:00Z', '2024-02-29T00:00:00.000000Z', '2024-02-29'],
  ])('reads the instant of %s', async (text, instant, day) => {
    const [row] = await judged(withField('timestamp', JSON.stringify(text)))

    expect(row).toMatchObject({ timestamp: instant, event_date: day, reject_reasons: [] })
  })

  it.each([
    '',
    'infinity',
    'epoch',
    'now',
    '2026-11-20',
    '2026-11-20T24:00:00Z',
    '2026-11-20T11:60:00Z',
    '2026-11-20T11:59:60Z',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '10000-01-01T00:00:00Z',
    '0001-01-01T00:00:00+01:00',
    '9999-12-31T23:59:59-01:00',
    '2026-11-20T11:59:00 Europe/Berlin',
    '2026-11-20T11:59:00+24:00',
    '2026-11-20T11:59:00Z\n',
    '2026-11-20T11:59:00.Z',
    '2026-11-20T11:59:00+0530',
    '٢٠٢٦-11-20T11:59:00Z',
  ])('does not read %j as a time', async (text) => {
    expect(await judged(withField('timestamp', JSON.stringify(text)))).toMatchObject([
      { reject_reasons: ['timestamp_not_iso_8601'] },
    ])
  })

  it('keeps text with escaped control characters, and the neighbours of a bad message whole', async () => {
    const rows = await judged(
      JSON.stringify({ ...good, page: '/a\u0000b\n"' }),
      new Uint8Array([0xff, 0xfe]),
      JSON.stringify({ ...good, page: 'x'.repeat(1_000_000) }),
      `{"a":${'['.repeat(100_000)}`,
      JSON.stringify({ ...good, page: '/after' }),
    )

    expect(rows.map((row) => [row['is_event'], String(row['page']).length])).toEqual([
      [true, 6],
      [false, 4],
      [true, 1_000_000],
      [false, 4],
      [true, 6],
    ])
    expect(rows[0]?.['page']).toBe('/a\u0000b\n"')
  })
})

describe('invalidReasons', () => {
  it.each([
    ['event_id', '""', 'event_id_empty'],
    ['page', '""', 'page_empty'],
    ['user_id', '0', 'user_id_not_positive'],
    ['event_type', '"Click"', 'event_type_unknown'],
    ['source', '"web "', 'source_unknown'],
    ['timestamp', '"1969-12-31T23:59:59Z"', 'timestamp_before_1970'],
    ['timestamp', '"2026-11-20T12:05:00.001Z"', 'timestamp_in_future'],
  ])('quarantines %s %s', async (name, json, reason) => {
    expect(await judged(withField(name, json))).toMatchObject([{ reject_reasons: [], invalid: reason }])
  })

  it('allows a clock that is five minutes ahead', async () => {
    expect(await judged(withField('timestamp', '"2026-11-20T12:05:00Z"'))).toMatchObject([{ invalid: '' }])
  })
})
