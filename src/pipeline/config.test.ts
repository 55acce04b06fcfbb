import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isLakeError } from '../lib/base/errors.ts'
import { readConfig } from './config.ts'

const messageFor = (environment: Readonly<Record<string, string>>): string => {
  try {
    readConfig(environment)
    return 'no error'
  } catch (error) {
    return isLakeError(error, 'CONFIG_INVALID') ? error.message : String(error)
  }
}

describe('readConfig(environment)', () => {
  it('needs nothing: the embedded profile below .lake', () => {
    const config = readConfig({})

    expect(config).toMatchObject({
      home: resolve('.lake'),
      lakeUri: resolve('.lake/tables'),
      topic: 'user-events',
      kafka: undefined,
      clickhouse: undefined,
      eventsPerSecond: 5,
      landing: { triggerMs: 30_000, maxRows: 20_000 },
      console: { host: '127.0.0.1', port: 8080, allowedHosts: [] },
    })
  })

  it('takes an empty variable as one that is not set', () => {
    expect(readConfig({ KAFKA_BROKERS: '', LAKE_HOME: '' }).kafka).toBeUndefined()
  })

  it.each([
    [{ EVENTS_PER_SECOND: 'fast' }, /EVENTS_PER_SECOND.*"fast"/],
    [{ EVENTS_PER_SECOND: '0' }, /EVENTS_PER_SECOND/],
    [{ LANDING_MAX_ROWS: '1.5' }, /LANDING_MAX_ROWS/],
    [{ CONSOLE_PORT: '70000' }, /CONSOLE_PORT: expected a port from 0 to 65535, got "70000"/],
    [{ CONSOLE_PORT: '80.5' }, /CONSOLE_PORT: expected a port from 0 to 65535, got "80.5"/],
    [{ LANDING_MAX_ROWS: '0.5' }, /LANDING_MAX_ROWS: expected a whole number above 0, got/],
    [{ KAFKA_BROKERS: 'kafka' }, /KAFKA_BROKERS.*host:port.*"kafka"/],
    [{ KAFKA_TOPIC: 'a b' }, /KAFKA_TOPIC/],
    [{ METADATA_URL: 'postgres://x' }, /METADATA_URL/],
    [{ CLICKHOUSE_URL: 'localhost:8123' }, /CLICKHOUSE_URL/],
    [{ BATCH_ENGINE: 'hive' }, /BATCH_ENGINE/],
    [{ LAKE_URI: 'gs://bucket/x' }, /LAKE_URI.*gs:/],
    [{ LAKE_URI: 's3://' }, /LAKE_URI.*s3:/],
    [{ CLICKHOUSE_PASSWORD_FILE: '/nowhere/at/all' }, /CLICKHOUSE_PASSWORD_FILE.*\/nowhere\/at\/all/],
    [{ CONSOLE_PORT: ' ' }, /CONSOLE_PORT.*" "/],
    [{ EVENTS_PER_SECOND: '0x10' }, /EVENTS_PER_SECOND.*"0x10"/],
    [{ KAFKA_BROKERS: 'kafka:99999' }, /KAFKA_BROKERS.*host:port.*"kafka:99999"/],
    [{ KAFKA_BROKERS: 'a:1', KAFKA_USERNAME: 'me' }, /KAFKA_USERNAME.*KAFKA_SASL_MECHANISM/],
    [{ S3_ACCESS_KEY: 'me' }, /S3_ACCESS_KEY: needs S3_SECRET_KEY/],
    [{ S3_SECRET_KEY: 'hush' }, /S3_SECRET_KEY: needs S3_ACCESS_KEY/],
    [{ CLICKHOUSE_URL: 'http://me%:pw@h:8123' }, /CLICKHOUSE_URL.*percent/],
    [{ LAKE_URI: 'file:///a%2Fb' }, /LAKE_URI/],
    [{ LAKE_URI: 'file:///%zz' }, /LAKE_URI/],
    [{ KAFKA_BROKERS: 'a:1', KAFKA_SASL_MECHANISM: 'plain' }, /KAFKA_USERNAME and KAFKA_PASSWORD/],
  ])('names what is wrong in %j', (environment, message) => {
    expect(messageFor(environment as unknown as Record<string, string>)).toMatch(message)
  })

  it('takes an empty file of a secret as a secret that is not set', () => {
    const { s3 } = readConfig({ S3_ACCESS_KEY: '', S3_SECRET_KEY_FILE: '/dev/null' })

    expect(s3).toMatchObject({ accessKey: undefined, secretKey: undefined })
  })

  it('names every wrong variable at once, and never the value of a secret', () => {
    expect(messageFor({ CONSOLE_PORT: 'x', EVENTS_PER_SECOND: 'y' })).toMatch(
      /EVENTS_PER_SECOND.*CONSOLE_PORT/,
    )
  })

  it.each(['METADATA_URL', 'CLICKHOUSE_URL'])('never prints a password that stands in %s', (name) => {
    const message = messageFor({ [name]: 'ftp://me:secret@host/x' })

    expect(message).toContain(name)
    expect(message).not.toContain('secret')
  })

  it('reads a credential from a file, without the line end', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lakeshore-config-'))
    try {
      writeFileSync(join(folder, 'password'), 'secret\n')
      const config = readConfig({
        CLICKHOUSE_URL: 'https://me@ch.example:8443/',
        CLICKHOUSE_PASSWORD_FILE: join(folder, 'password'),
      })
      expect(config.clickhouse).toEqual({
        url: 'https://ch.example:8443',
        username: 'me',
        password: 'secret',
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
