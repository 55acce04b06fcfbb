import { ClickHouseError } from '@clickhouse/client'
import { describe, expect, it } from 'vitest'
import { failureOf } from './failure.ts'

const said = (code: string, type: string, message: string): ClickHouseError =>
  new ClickHouseError({ code, type, message })

describe('failureOf(thrown, operation, url)', () => {
  it.each([
    ['202', 'TOO_MANY_SIMULTANEOUS_QUERIES', 'Too many simultaneous queries. Maximum: 100. '],
    ['242', 'TABLE_IS_READ_ONLY', 'Table is in readonly mode (replica path: /clickhouse/tables/t). '],
  ])('calls code %s unavailable, and says that nothing was carried out', (code, type, message) => {
    expect(failureOf(said(code, type, message), 'insert into t', 'http://h:8123')).toMatchObject({
      code: 'CLICKHOUSE_UNAVAILABLE',
      retryable: true,
      message: `insert into t: ${type} (${code}): ${message.trim()}`,
      details: { ambiguous: false, clickhouseCode: Number(code), url: 'http://h:8123' },
    })
  })

  it.each([
    ['243', 'NOT_ENOUGH_SPACE', 'Cannot reserve 1.00 MiB, not enough space. '],
    ['33', 'CANNOT_READ_ALL_DATA', 'Cannot read the body: Error: ENOSPC: no space left on device, write'],
    [
      '75',
      'CANNOT_WRITE_TO_FILE_DESCRIPTOR',
      'Cannot write to file: , errno: 28, strerror: No space left on device',
    ],
  ])('calls a full disk of the server, code %s, a full disk: it passes once there is room', (code, type, message) => {
    expect(failureOf(said(code, type, message), 'insert into t', 'http://h:8123')).toMatchObject({
      code: 'DISK_FULL',
      retryable: true,
      message: `insert into t: ${type} (${code}): ${message.trim()}`,
    })
  })

  it('calls what the server refuses for good failed, without a word about repeating', () => {
    const failure = failureOf(said('60', 'UNKNOWN_TABLE', 'Table t does not exist'), 'query', 'http://h:8123')

    expect(failure).toMatchObject({ code: 'CLICKHOUSE_FAILED', retryable: false })
    expect(failure.details).not.toHaveProperty('ambiguous')
  })

  it('calls a lost answer ambiguous, and a connection that was never made not', () => {
    const reset = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
    const refused = new AggregateError([Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })])

    expect(failureOf(reset, 'insert into t', 'http://h:8123').details).toMatchObject({ ambiguous: true })
    expect(failureOf(refused, 'insert into t', 'http://h:8123').details).toMatchObject({ ambiguous: false })
  })
})
