/**
 * Environment → `Config`: the only place that reads `process.env`, and the only one that documents a variable.
 *
 * Every variable has a default; a wrong one is an error that names it. A credential `X` may come as `X_FILE`,
 * the path of a file that holds it.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { LakeError, messageOf } from '../../lib/base/errors.ts'
import type { CatchUp } from '../../lib/schedule/due.ts'
import { isTimeZone } from '../../lib/schedule/time-zone.ts'
import { mayCarryToken, parseConnectUrl } from '../../lib/spark-connect/connect-url.ts'
import { usualRejectLimit } from '../landing/reject-burst.ts'

/** Not as `Number` reads it, to which a blank is 0 and `0x10` is 16. */
const number = z
  .string()
  .trim()
  .regex(/^\d+(\.\d+)?$/, 'expected a number')
  .transform(Number)
const [above0, aCount] = ['expected a number above 0', 'expected a whole number above 0']
const aPort = 'expected a port from 0 to 65535'
const seconds = number.pipe(z.number().positive(above0))
const count = number.pipe(z.number().int(aCount).positive(aCount))
const port = number.pipe(z.number().int(aPort).max(65_535, aPort))
const share = number.pipe(z.number().max(1, 'expected a share from 0 to 1'))
const rate = number.pipe(z.number().positive(above0).max(1_000_000, 'expected at most 1000000'))

interface Variable<T extends z.ZodType = z.ZodType> {
  readonly schema: T
  readonly meaning: string
  /** May be given as `NAME_FILE` as well, and is never printed. */
  readonly secret?: boolean
}

function variable<T extends z.ZodType>(
  schema: T,
  meaning: string,
  options: { readonly secret?: boolean } = {},
): Variable<T> {
  return { schema, meaning, ...options }
}

export const variables = {
  LAKE_HOME: variable(
    z.string().min(1).default('.lake'),
    'folder of everything that the embedded profile writes',
  ),
  LAKE_URI: variable(
    z.string().min(1).optional(),
    'where the Delta tables are: a folder or s3://bucket/prefix (default: $LAKE_HOME/tables)',
  ),
  KAFKA_BROKERS: variable(
    z.string().min(1).optional(),
    'host:port,…: use Kafka instead of the embedded event log',
  ),
  KAFKA_TOPIC: variable(
    z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,249}$/, 'expected a Kafka topic name')
      .default('user-events'),
    'topic of the events',
  ),
  KAFKA_SSL: variable(z.enum(['true', 'false']).default('false'), 'TLS to the brokers'),
  KAFKA_SASL_MECHANISM: variable(
    z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).optional(),
    'how to log in at the brokers',
  ),
  KAFKA_USERNAME: variable(z.string().optional(), 'user at the brokers'),
  KAFKA_PASSWORD: variable(z.string().optional(), 'password at the brokers', { secret: true }),
  CLICKHOUSE_URL: variable(
    z.url({ protocol: /^https?$/ }).optional(),
    'http(s)://host:port: use this ClickHouse instead of the embedded one',
  ),
  CLICKHOUSE_USERNAME: variable(
    z.string().optional(),
    'user at ClickHouse (default: the one in CLICKHOUSE_URL, or default)',
  ),
  CLICKHOUSE_PASSWORD: variable(z.string().optional(), 'password at ClickHouse', { secret: true }),
  CLICKHOUSE_CLUSTER: variable(
    z.string().optional(),
    'refused: the tables of a ClickHouse of several nodes are not made; CLICKHOUSE_URL names one server',
  ),
  METADATA_URL: variable(
    z.url({ protocol: /^(mysql|sqlite)$/ }).optional(),
    'mysql://user@host:port/database: keep the runs there (default: SQLite in $LAKE_HOME)',
  ),
  METADATA_PASSWORD: variable(z.string().optional(), 'password for METADATA_URL', { secret: true }),
  S3_ENDPOINT: variable(z.url().optional(), 'an S3-compatible server other than AWS'),
  S3_REGION: variable(z.string().default('us-east-1'), 'region of the bucket'),
  S3_ACCESS_KEY: variable(z.string().optional(), 'access key of the object store'),
  S3_SECRET_KEY: variable(z.string().optional(), 'secret key of the object store', { secret: true }),
  BATCH_ENGINE: variable(
    z.enum(['duckdb', 'spark']).default('duckdb'),
    'engine that computes silver and gold: duckdb here, or spark at SPARK_CONNECT_URL',
  ),
  SPARK_CONNECT_URL: variable(
    z.string().min(1).optional(),
    'sc://host:port of a Spark Connect server, Apache Spark or Sail; with /;use_ssl=true for TLS',
  ),
  SPARK_CONNECT_TOKEN: variable(z.string().min(1).optional(), 'bearer token for SPARK_CONNECT_URL', {
    secret: true,
  }),
  EVENTS_PER_SECOND: variable(rate.default(5), 'rate of the producer'),
  LANDING_TRIGGER_SECONDS: variable(seconds.default(30), 'longest time between two commits to bronze'),
  LANDING_MAX_ROWS: variable(count.default(50_000), 'most messages in one commit to bronze'),
  LANDING_RESCUE: variable(
    z.enum(['true', 'false']).default('false'),
    'keep the fields of events that are not known, as JSON in the column _rescued of bronze/events',
  ),
  LANDING_REJECT_LIMIT: variable(
    share.default(usualRejectLimit),
    'share of a minute of messages that may be rejected before landing pauses itself; 1 for all of them',
  ),
  REALTIME_TRIGGER_SECONDS: variable(
    seconds.default(2),
    'longest time between two inserts of the speed layer',
  ),
  BATCH_CRON: variable(z.string().min(1).default('0 1 * * *'), 'when the batch runs, in BATCH_TIMEZONE'),
  BATCH_TIMEZONE: variable(
    z.string().refine(isTimeZone, 'expected an IANA time zone such as Europe/Berlin').default('UTC'),
    'time zone of BATCH_CRON and of the schedules of notebooks, by its IANA name; days of tables stay those of UTC',
  ),
  BATCH_CATCH_UP: variable(
    z.enum(['newest', 'none']).default('newest'),
    'ticks that were missed while no scheduler ran: one run for all of them (newest), or skipped (none)',
  ),
  BATCH_TASK_ATTEMPTS: variable(
    count.default(3),
    'how often a task of the batch is tried if a part does not answer; a failure of the data is not tried again',
  ),
  BATCH_TASK_TIMEOUT_SECONDS: variable(
    seconds.optional(),
    'longest time of an attempt at a task of the batch; as long as it takes without it',
  ),
  ALERT_WEBHOOK_URL: variable(
    z.url({ protocol: /^https?$/ }).optional(),
    'a webhook that takes messages as Slack does: what goes wrong is told there, and when it is over',
    { secret: true },
  ),
  ALERT_LAG_SECONDS: variable(
    seconds.default(600),
    'how long a message may wait in the log for landing or the speed layer before there is an alert',
  ),
  ALERT_STALE_SECONDS: variable(
    seconds.optional(),
    'how old the newest version of bronze/events may be; without it, no age is too old, for there may be no events',
  ),
  OPENLINEAGE_URL: variable(
    z.url({ protocol: /^https?$/ }).optional(),
    'an OpenLineage receiver, such as Marquez, without the path of its API: it is told of each run of the batch',
  ),
  OPENLINEAGE_API_KEY: variable(z.string().optional(), 'key for OPENLINEAGE_URL', { secret: true }),
  OPENLINEAGE_NAMESPACE: variable(
    z.string().min(1).default('lakeshore'),
    'namespace of the jobs in OpenLineage',
  ),
  LAKESHORE_NOTEBOOKS: variable(
    z.string().min(1).optional(),
    'folder of your own notebooks, made where it is missing; the lessons stay in notebooks/',
  ),
  JUPYTER_VENV: variable(
    z.string().min(1).optional(),
    'a Python environment that has Jupyter (default: one is made in $LAKE_HOME)',
  ),
  LAKESHORE_STAGED_TABLES: variable(
    z.string().min(1).optional(),
    'set by a batch for its gates alone: the file that says what it has staged, which cells then read',
  ),
  CONSOLE_PORT: variable(port.default(8080), 'port of the console'),
  CONSOLE_HOST: variable(z.string().min(1).default('127.0.0.1'), 'address that the console listens on'),
  CONSOLE_TOKEN: variable(
    z
      .string()
      .regex(/^[\x21-\x7e]{16,}$/, 'expected at least 16 printable ASCII characters without a blank')
      .optional(),
    'everybody who opens the console must know it: Authorization: Bearer …, or once ?token=… in a browser',
    { secret: true },
  ),
  CONSOLE_ALLOWED_HOSTS: variable(
    z.string().optional(),
    'name,…: further names under which a browser may ask for the console, such as that of a proxy',
  ),
  METRICS_PORT: variable(
    port.optional(),
    'port on which a stage that runs alone serves /metrics for Prometheus; without it, it serves none. The console serves its own',
  ),
  METRICS_HOST: variable(z.string().min(1).default('127.0.0.1'), 'address that METRICS_PORT is on'),
  DUCKDB_MEMORY_LIMIT: variable(
    z
      .string()
      .regex(/^\d+(\.\d+)?\s*(KB|MB|GB|KiB|MiB|GiB)$/, 'expected a size such as 2GB')
      .optional(),
    'most memory that DuckDB takes; default half of the machine, or of the limit of the container',
  ),
  DUCKDB_THREADS: variable(
    count.optional(),
    'how many threads DuckDB computes with; default one per core, and one in landing and speed layer',
  ),
  LOG_LEVEL: variable(
    z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
    'what the logs tell',
  ),
} as const

type VariableName = keyof typeof variables
type Values = { readonly [Name in VariableName]: z.output<(typeof variables)[Name]['schema']> }

export interface KafkaConfig {
  readonly brokers: readonly string[]
  readonly ssl: boolean
  readonly sasl:
    | {
        readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
        readonly username: string
        readonly password: string
      }
    | undefined
}

export interface Config {
  /** Absolute. */
  readonly home: string
  /** An absolute folder or `s3://bucket/prefix`. */
  readonly lakeUri: string
  readonly topic: string
  /** `undefined`: the embedded event log. */
  readonly kafka: KafkaConfig | undefined
  /** `undefined`: the embedded ClickHouse. */
  readonly clickhouse:
    | { readonly url: string; readonly username: string; readonly password: string }
    | undefined
  readonly metadata: { readonly url: string; readonly password: string | undefined }
  readonly s3: {
    readonly endpoint: string | undefined
    readonly region: string
    readonly accessKey: string | undefined
    readonly secretKey: string | undefined
  }
  readonly batchEngine:
    | { readonly kind: 'duckdb' }
    | { readonly kind: 'spark'; readonly url: string; readonly token: string | undefined }
  /** Texts that must be in no log. */
  readonly secrets: readonly string[]
  readonly eventsPerSecond: number
  readonly landing: {
    readonly triggerMs: number
    readonly maxRows: number
    /** The share of a minute of messages that may be rejected. */
    readonly rejectLimit: number
    /** Keep the fields of events that are not known. */
    readonly rescue: boolean
  }
  readonly realtime: { readonly triggerMs: number }
  /** When the batch runs, and what becomes of missed ticks, which holds for notebooks too. */
  readonly schedule: { readonly cron: string; readonly timeZone: string; readonly catchUp: CatchUp }
  readonly batchTasks: { readonly mostAttempts: number; readonly timeoutMs: number | undefined }
  readonly alerts: {
    /** A secret. `undefined`: alerts are in the log and in `lake alerts list` alone. */
    readonly webhookUrl: string | undefined
    readonly lagMs: number
    readonly staleMs: number | undefined
  }
  /** `undefined`: nobody is told. */
  readonly lineage:
    | { readonly url: string; readonly apiKey: string | undefined; readonly namespace: string }
    | undefined
  readonly notebooks: {
    /** Absolute. `undefined`: there are the lessons alone. */
    readonly folder: string | undefined
    /** Absolute. `undefined`: an environment of our own. */
    readonly jupyterVenv: string | undefined
    /** In the process of a gate: the file with what a batch has staged. */
    readonly stagedTables: string | undefined
  }
  readonly console: {
    readonly host: string
    readonly port: number
    readonly allowedHosts: readonly string[]
    /** `undefined`: everybody who reaches the console may read it. */
    readonly token: string | undefined
  }
  /** `undefined`: a stage that runs alone serves no metrics. */
  readonly metrics: { readonly host: string; readonly port: number } | undefined
  readonly duckdbMemoryLimit: string | undefined
  readonly duckdbThreads: number | undefined
  readonly logLevel: Values['LOG_LEVEL']
}

/** A table there must not be what makes LAKE_HOME, which other users would then be able to enter. */
export const isWithinHome = ({ home }: Config, place: string): boolean =>
  resolve(place).startsWith(`${home}/`)

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The variables for a program that works in another folder, whose paths from here are made whole: a platform that it
 * opens is the same one.
 */
export function environmentElsewhere(
  { home, lakeUri }: Config,
  environment: Environment = process.env,
): Readonly<Record<string, string>> {
  const all = Object.entries(environment).flatMap(([name, value]) => {
    if (value === undefined) return []
    return [[name, /_FILE$/.test(name) && value.startsWith('.') ? resolve(value) : value]]
  })
  return { ...Object.fromEntries(all), LAKE_HOME: home, LAKE_URI: lakeUri }
}

/** @throws LakeError `CONFIG_INVALID` naming each variable that is wrong, what it is, and what it means. */
export function readConfig(environment: Environment = process.env): Config {
  const problems: string[] = []
  const values: Record<string, unknown> = {}
  for (const [name, { schema, secret }] of Object.entries(variables) as [VariableName, Variable][]) {
    const given = secret === true ? readSecret(environment, name, problems) : environment[name]
    const parsed = schema.safeParse(given === '' ? undefined : given)
    if (parsed.success) values[name] = parsed.data
    else {
      const got = secret === true ? '' : `, got ${shown(given)}`
      problems.push(`${name}: ${parsed.error.issues.map((issue) => issue.message).join('; ')}${got}`)
    }
  }
  const config =
    problems.length === 0
      ? { ...configOf(values as Values, problems), secrets: secretsIn(values) }
      : undefined
  if (config === undefined || problems.length > 0) {
    throw new LakeError('CONFIG_INVALID', `Environment: ${problems.join('. ')}`, { details: { problems } })
  }
  return config
}

/** A value for a message, without what may be a user and a password. */
const shown = (value: string | undefined): string =>
  JSON.stringify(value?.replace(/^(?<scheme>[a-z][a-z0-9+.-]*:\/\/)?.*@/is, '$<scheme>…@'))

function readSecret(environment: Environment, name: string, problems: string[]): string | undefined {
  const path = environment[`${name}_FILE`]
  if (path === undefined || path === '') return environment[name]
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    problems.push(`${name}_FILE: ${messageOf(error)}`)
    return undefined
  }
}

/** What is in no log: the values of secret variables, and the passwords in URLs, as written and as meant. */
function secretsIn(values: Readonly<Record<string, unknown>>): readonly string[] {
  const found = Object.entries(variables as Record<string, Variable>).flatMap(([name, { secret }]) => {
    const value = values[name]
    if (typeof value !== 'string') return []
    if (secret === true) return [value]
    const password = /^[a-z][a-z0-9+.-]*:\/\/[^/]*?:(?<password>[^/]*)@/i.exec(value)?.groups?.['password']
    return password === undefined || password === '' ? [] : [password, decoded(password)]
  })
  return [...new Set(found)]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function configOf(values: Values, problems: string[]): Omit<Config, 'secrets'> {
  const home = resolve(values.LAKE_HOME)
  return {
    home,
    lakeUri: lakeUriOf(values.LAKE_URI ?? `${home}/tables`, problems),
    topic: values.KAFKA_TOPIC,
    kafka: kafkaOf(values, problems),
    clickhouse: clickhouseOf(values, problems),
    metadata: { url: values.METADATA_URL ?? `sqlite:${home}/runs.db`, password: values.METADATA_PASSWORD },
    s3: s3Of(values, problems),
    batchEngine: batchEngineOf(values, problems),
    eventsPerSecond: values.EVENTS_PER_SECOND,
    landing: {
      triggerMs: values.LANDING_TRIGGER_SECONDS * 1000,
      maxRows: values.LANDING_MAX_ROWS,
      rejectLimit: values.LANDING_REJECT_LIMIT,
      rescue: values.LANDING_RESCUE === 'true',
    },
    realtime: { triggerMs: values.REALTIME_TRIGGER_SECONDS * 1000 },
    schedule: {
      cron: values.BATCH_CRON,
      timeZone: values.BATCH_TIMEZONE,
      catchUp: values.BATCH_CATCH_UP,
    },
    batchTasks: {
      mostAttempts: values.BATCH_TASK_ATTEMPTS,
      timeoutMs:
        values.BATCH_TASK_TIMEOUT_SECONDS === undefined
          ? undefined
          : values.BATCH_TASK_TIMEOUT_SECONDS * 1000,
    },
    alerts: alertsOf(values),
    lineage: lineageOf(values, problems),
    notebooks: {
      folder: values.LAKESHORE_NOTEBOOKS && resolve(values.LAKESHORE_NOTEBOOKS),
      jupyterVenv: values.JUPYTER_VENV && resolve(values.JUPYTER_VENV),
      stagedTables: values.LAKESHORE_STAGED_TABLES,
    },
    console: {
      host: values.CONSOLE_HOST,
      port: values.CONSOLE_PORT,
      allowedHosts: (values.CONSOLE_ALLOWED_HOSTS ?? '').split(',').flatMap((name) => name.trim() || []),
      token: values.CONSOLE_TOKEN,
    },
    metrics:
      values.METRICS_PORT === undefined
        ? undefined
        : { host: values.METRICS_HOST, port: values.METRICS_PORT },
    duckdbMemoryLimit: values.DUCKDB_MEMORY_LIMIT,
    duckdbThreads: values.DUCKDB_THREADS,
    logLevel: values.LOG_LEVEL,
  }
}

const alertsOf = (values: Values): Config['alerts'] => ({
  webhookUrl: values.ALERT_WEBHOOK_URL,
  lagMs: values.ALERT_LAG_SECONDS * 1000,
  staleMs: values.ALERT_STALE_SECONDS === undefined ? undefined : values.ALERT_STALE_SECONDS * 1000,
})

/** A token in the URL would be shown with it. */
function batchEngineOf(values: Values, problems: string[]): Config['batchEngine'] {
  const { BATCH_ENGINE: kind, SPARK_CONNECT_URL: url, SPARK_CONNECT_TOKEN: token } = values
  if (url === undefined) {
    if (kind === 'spark') problems.push('BATCH_ENGINE: spark needs SPARK_CONNECT_URL')
    return { kind: 'duckdb' }
  }
  try {
    const parsed = parseConnectUrl(url)
    if (parsed.token !== undefined) {
      problems.push('SPARK_CONNECT_URL: expected no token, for which SPARK_CONNECT_TOKEN is')
    } else if (token !== undefined && !mayCarryToken(parsed)) {
      problems.push('SPARK_CONNECT_URL: a token needs TLS: add /;use_ssl=true')
    }
  } catch (error) {
    problems.push(`SPARK_CONNECT_URL: ${messageOf(error)}`)
  }
  return kind === 'spark' ? { kind, url, token } : { kind: 'duckdb' }
}

function lineageOf(values: Values, problems: string[]): Config['lineage'] {
  const { OPENLINEAGE_URL: url, OPENLINEAGE_API_KEY: apiKey, OPENLINEAGE_NAMESPACE: namespace } = values
  if (url === undefined) return undefined
  if (new URL(url).username !== '') {
    problems.push(
      `OPENLINEAGE_URL: expected no user and password, for which OPENLINEAGE_API_KEY is, got ${shown(url)}`,
    )
  }
  return { url, apiKey, namespace }
}

function lakeUriOf(uri: string, problems: string[]): string {
  if (/^s3:\/\/[\w.-]+(?:\/|$)/.test(uri)) return uri.replace(/\/+$/, '')
  if (/^s3a?:\/\/.*[@:]/is.test(uri)) {
    problems.push(
      `LAKE_URI: expected s3://bucket/prefix without user and password, which S3_ACCESS_KEY and S3_SECRET_KEY take, got ${shown(uri)}`,
    )
    return uri
  }
  if (uri.startsWith('file:///')) {
    try {
      return fileURLToPath(uri)
    } catch (error) {
      problems.push(`LAKE_URI: ${messageOf(error)}, got ${shown(uri)}`)
    }
  } else if (/^[a-z][a-z0-9+.-]*:/i.test(uri)) {
    problems.push(`LAKE_URI: expected a folder, file:///path or s3://bucket/prefix, got ${shown(uri)}`)
  }
  return resolve(uri)
}

function kafkaOf(values: Values, problems: string[]): KafkaConfig | undefined {
  if (values.KAFKA_BROKERS === undefined) return undefined
  if (values.KAFKA_BROKERS.includes('@')) {
    problems.push(
      `KAFKA_BROKERS: expected host:port without user and password, which KAFKA_USERNAME and KAFKA_PASSWORD take, got ${shown(values.KAFKA_BROKERS)}`,
    )
    return undefined
  }
  const brokers = values.KAFKA_BROKERS.split(',').map((broker) => broker.trim())
  for (const broker of brokers) {
    const place = /^(?:[^\s:]+|\[[0-9a-fA-F:]+\]):(?<port>\d{1,5})$/.exec(broker)
    if (place === null || Number(place.groups?.['port']) > 65_535) {
      problems.push(`KAFKA_BROKERS: expected host:port, got ${JSON.stringify(broker)}`)
    }
  }
  const mechanism = values.KAFKA_SASL_MECHANISM
  if (mechanism === undefined && values.KAFKA_USERNAME !== undefined) {
    problems.push('KAFKA_USERNAME: needs KAFKA_SASL_MECHANISM')
  }
  if (
    mechanism !== undefined &&
    (values.KAFKA_USERNAME === undefined || values.KAFKA_PASSWORD === undefined)
  ) {
    problems.push('KAFKA_SASL_MECHANISM: needs KAFKA_USERNAME and KAFKA_PASSWORD')
  }
  return {
    brokers,
    ssl: values.KAFKA_SSL === 'true',
    sasl:
      mechanism === undefined
        ? undefined
        : { mechanism, username: values.KAFKA_USERNAME ?? '', password: values.KAFKA_PASSWORD ?? '' },
  }
}

function s3Of(values: Values, problems: string[]): Config['s3'] {
  if (values.S3_ENDPOINT?.includes('@') === true) {
    problems.push(
      `S3_ENDPOINT: expected no user and password, which S3_ACCESS_KEY and S3_SECRET_KEY take, got ${shown(values.S3_ENDPOINT)}`,
    )
  }
  // One without the other would go unused: the SDK would look elsewhere, and act as somebody else.
  if (values.S3_ACCESS_KEY !== undefined && values.S3_SECRET_KEY === undefined) {
    problems.push('S3_ACCESS_KEY: needs S3_SECRET_KEY')
  }
  if (values.S3_SECRET_KEY !== undefined && values.S3_ACCESS_KEY === undefined) {
    problems.push('S3_SECRET_KEY: needs S3_ACCESS_KEY')
  }
  return {
    endpoint: values.S3_ENDPOINT,
    region: values.S3_REGION,
    accessKey: values.S3_ACCESS_KEY,
    secretKey: values.S3_SECRET_KEY,
  }
}

function clickhouseOf(values: Values, problems: string[]): Config['clickhouse'] {
  // Unheeded, it would leave the tables on one node, and every other node of the cluster without them.
  if (values.CLICKHOUSE_CLUSTER !== undefined) {
    problems.push(
      `CLICKHOUSE_CLUSTER: expected none, for tables on a cluster are not supported yet, got ${shown(values.CLICKHOUSE_CLUSTER)}: leave it out, and let CLICKHOUSE_URL name one server that is not behind a balancer of several`,
    )
  }
  if (values.CLICKHOUSE_URL === undefined) return undefined
  const url = new URL(values.CLICKHOUSE_URL)
  const decoded = (text: string): string => {
    try {
      return decodeURIComponent(text)
    } catch {
      problems.push('CLICKHOUSE_URL: expected user and password percent-encoded: % is written %25')
      return text
    }
  }
  const [username, password] = [decoded(url.username), decoded(url.password)]
  url.username = ''
  url.password = ''
  return {
    url: url.toString().replace(/\/$/, ''),
    username: values.CLICKHOUSE_USERNAME ?? (username === '' ? 'default' : username),
    password: values.CLICKHOUSE_PASSWORD ?? password,
  }
}
