import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isLakeError } from '../../lib/base/errors.ts'
import { readConfig } from './config.ts'
import { exposureOf } from './exposure.ts'

const messageFor = (environment: Readonly<Record<string, string>>): string => {
  try {
    readConfig(environment)
    return 'no error'
  } catch (error) {
    return isLakeError(error, 'CONFIG_INVALID') ? error.message : String(error)
  }
}

describe('readConfig(environment)', () => {
  it('knows what must be in no log: secret variables, and the passwords in URLs', () => {
    const { secrets } = readConfig({
      S3_ACCESS_KEY: 'user',
      S3_SECRET_KEY: 'key-of-the-store',
      METADATA_URL: 'mysql://lake:p%40ss@db:3306/lake',
      CONSOLE_TOKEN: 'a-token-of-the-console-of-32-letters',
    })

    expect(new Set(secrets)).toEqual(
      new Set(['key-of-the-store', 'p%40ss', 'p@ss', 'a-token-of-the-console-of-32-letters']),
    )
    expect(readConfig({}).secrets).toEqual([])
  })

  it('reads how often a task is tried, and how long', () => {
    expect(readConfig({}).batchTasks).toEqual({ mostAttempts: 3, timeoutMs: undefined })
    expect(readConfig({ BATCH_TASK_ATTEMPTS: '1', BATCH_TASK_TIMEOUT_SECONDS: '90' }).batchTasks).toEqual({
      mostAttempts: 1,
      timeoutMs: 90_000,
    })
    expect(messageFor({ BATCH_TASK_ATTEMPTS: '0' })).toContain('BATCH_TASK_ATTEMPTS')
  })

  it('needs nothing: the embedded profile below .lake', () => {
    const config = readConfig({})

    expect(config).toMatchObject({
      home: resolve('.lake'),
      lakeUri: resolve('.lake/tables'),
      topic: 'user-events',
      kafka: undefined,
      clickhouse: undefined,
      eventsPerSecond: 5,
      landing: { triggerMs: 30_000, maxRows: 50_000 },
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
    [{ BATCH_TIMEZONE: 'Mars/Olympus' }, /BATCH_TIMEZONE: expected an IANA time zone .*got "Mars/],
    [{ BATCH_TIMEZONE: '+01:00' }, /BATCH_TIMEZONE: expected an IANA time zone/],
    [{ BATCH_CATCH_UP: 'all' }, /BATCH_CATCH_UP: .*"newest"\|"none"/],
    [{ CONSOLE_PORT: '70000' }, /CONSOLE_PORT: expected a port from 0 to 65535, got "70000"/],
    [{ CONSOLE_PORT: '80.5' }, /CONSOLE_PORT: expected a port from 0 to 65535, got "80.5"/],
    [{ LANDING_MAX_ROWS: '0.5' }, /LANDING_MAX_ROWS: expected a whole number above 0, got/],
    [{ DUCKDB_THREADS: '0' }, /DUCKDB_THREADS: expected a whole number above 0, got "0"/],
    [{ KAFKA_BROKERS: 'kafka' }, /KAFKA_BROKERS.*host:port.*"kafka"/],
    [{ KAFKA_TOPIC: 'a b' }, /KAFKA_TOPIC/],
    [{ METADATA_URL: 'postgres://x' }, /METADATA_URL/],
    [{ CLICKHOUSE_URL: 'localhost:8123' }, /CLICKHOUSE_URL/],
    [{ BATCH_ENGINE: 'hive' }, /BATCH_ENGINE/],
    [{ CLICKHOUSE_CLUSTER: 'main' }, /CLICKHOUSE_CLUSTER: expected none.*got "main"/],
    [{ BATCH_ENGINE: 'spark' }, /BATCH_ENGINE: spark needs SPARK_CONNECT_URL/],
    [{ SPARK_CONNECT_URL: 'http://spark' }, /SPARK_CONNECT_URL: .*expected sc:\/\/host:port/],
    [{ SPARK_CONNECT_URL: 'sc://spark/;token=abc' }, /^(?!.*abc).*SPARK_CONNECT_TOKEN/],
    [{ SPARK_CONNECT_URL: 'sc://spark', SPARK_CONNECT_TOKEN: 'abc' }, /^(?!.*abc).*needs TLS/],
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

describe('a secret', () => {
  it.each([
    ['S3_ENDPOINT', 'http://user:hush@minio:9000', 'http://…@minio:9000'],
    ['S3_ENDPOINT', 'http://user:hu/sh@minio:9000', 'http://…@minio:9000'],
    ['LAKE_URI', 's3://key:hush@bucket/tables', 's3://…@bucket/tables'],
    ['LAKE_URI', 's3://key:hu/sh@bucket/tables', 's3://…@bucket/tables'],
    ['LAKE_URI', 'gs://key:hush@bucket/tables', 'gs://…@bucket/tables'],
    ['KAFKA_BROKERS', 'one:9092,user:hush@two:9092', '…@two:9092'],
    ['KAFKA_BROKERS', 'user:hu,sh@two:9092', '…@two:9092'],
    ['CLICKHOUSE_URL', 'clickhouse://user:hush@host', 'clickhouse://…@host'],
    ['METADATA_URL', 'postgres://user:hush@host/db', 'postgres://…@host/db'],
  ])('in %s is refused and not shown: %s', (name, value, shown) => {
    const message = messageFor({ [name]: value })

    expect(message).toContain(name)
    expect(message).toContain(JSON.stringify(shown))
    expect(message).not.toMatch(/hu.?sh/)
  })

  it('of the console is long, and comes from a file too', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lake-config-'))
    const file = join(folder, 'token')
    writeFileSync(file, 'a-token-of-some-length\n')

    expect(readConfig({ CONSOLE_TOKEN_FILE: file }).console.token).toBe('a-token-of-some-length')
    expect(messageFor({ CONSOLE_TOKEN: 'hush' })).toMatch(/CONSOLE_TOKEN: expected at least 16/)
    expect(messageFor({ CONSOLE_TOKEN: 'hush' })).not.toContain('hush')
    rmSync(folder, { recursive: true })
  })

  it('is asked for where the console can be reached from elsewhere', () => {
    const of = (environment: Readonly<Record<string, string>>): string | undefined =>
      exposureOf(readConfig(environment).console)

    expect(of({})).toBeUndefined()
    expect(of({ CONSOLE_HOST: 'localhost' })).toBeUndefined()
    expect(of({ CONSOLE_HOST: '::' })).toContain('without a token')
    expect(of({ CONSOLE_HOST: '0.0.0.0' })).toContain('listens on 0.0.0.0 without a token')
    expect(of({ CONSOLE_HOST: '0.0.0.0', CONSOLE_TOKEN: 'a-token-of-some-length' })).toBeUndefined()
  })
})
