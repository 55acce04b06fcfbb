/** The production profile, as far as its text can show: no container engine is asked. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { readConfig, variables } from '../pipeline/platform/config.ts'

const root = join(import.meta.dirname, '..', '..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

const serviceSchema = z.object({
  image: z.string(),
  build: z.object({ context: z.string(), dockerfile: z.string() }).optional(),
  command: z.array(z.string()).optional(),
  entrypoint: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  secrets: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  ports: z.array(z.string()).default([]),
  restart: z.literal('unless-stopped'),
  read_only: z.boolean().default(false),
  tmpfs: z.array(z.string()).default([]),
  cap_drop: z.tuple([z.literal('ALL')]),
  cap_add: z.array(z.enum(['CHOWN', 'DAC_OVERRIDE', 'SETGID', 'SETUID'])).default([]),
  security_opt: z.tuple([z.literal('no-new-privileges:true')]),
  mem_limit: z.string().regex(/^\d+[mg]$/),
  depends_on: z
    .record(z.string(), z.object({ condition: z.enum(['service_healthy', 'service_started']) }))
    .default({}),
  healthcheck: z.object({ test: z.array(z.string()).min(2), interval: z.string(), timeout: z.string() }),
})

const composeSchema = z.object({
  services: z.record(z.string(), serviceSchema),
  volumes: z.record(z.string(), z.null()),
  secrets: z.record(z.string(), z.object({ file: z.string() })),
})

const text = read('docker-compose.yml')
const compose = composeSchema.parse(parse(text, { merge: true }))
const services = Object.entries(compose.services)
const ours = services.filter(([, { build }]) => build !== undefined)

/** As Compose does it where the shell sets nothing: `${NAME:-default}`. */
const interpolated = (value: string): string =>
  value.replace(/\$\{\w+:-(?<byDefault>[^}]*)\}/g, '$<byDefault>')

/** What an environment says that belongs into a secret. */
const spelledOut = (environment: Readonly<Record<string, string>>): string[] =>
  Object.entries(environment)
    .filter(([name, value]) => {
      if (/^\/run\/secrets\//.test(value)) return false
      return (
        (/PASSWORD|SECRET|TOKEN|CREDENTIAL/.test(name) && value !== '') || /:\/\/[^/@]*:[^/@]*@/.test(value)
      )
    })
    .map(([name]) => name)

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lake-compose-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('docker-compose.yml', () => {
  it('has the servers, and one service for each stage, all from one image', () => {
    expect(Object.keys(compose.services).sort()).toEqual(
      [
        'clickhouse',
        'console',
        'grafana',
        'kafka',
        'landing',
        'mysql',
        'producer',
        'realtime',
        'scheduler',
      ].sort(),
    )
    expect(Object.fromEntries(ours.map(([name, { command }]) => [name, command?.join(' ')]))).toEqual({
      producer: 'node dist/cli/main.js produce',
      landing: 'node dist/cli/main.js land',
      realtime: 'node dist/cli/main.js realtime',
      scheduler: 'node dist/cli/main.js schedule',
      console: 'node dist/cli/main.js console',
    })
    expect(new Set(ours.map(([, { image }]) => image)).size).toBe(1)
  })

  it('pins every image to a version, and to a digest where one is known', () => {
    const dockerfile = read('deploy/Dockerfile')
    const images = [
      ...services.map(([, { image }]) => image),
      ...[...dockerfile.matchAll(/^FROM (?<image>\S+)/gm)].map(({ groups }) => groups?.['image'] ?? ''),
    ]

    const pinned = /:\d+\.\d+(\.\d+)*(-[\w.-]+)?(@sha256:[0-9a-f]{64})?$/
    expect(images.filter((image) => !pinned.test(image))).toEqual([])
    expect([...new Set(images.filter((image) => !image.includes('@')))].toSorted()).toEqual([
      'clickhouse/clickhouse-server:26.8',
      'lakeshore:0.1.0',
    ])
  })

  it('confines our own containers to their volumes, and gives them no rights', () => {
    expect(ours.filter(([, { read_only, cap_add }]) => !read_only || cap_add.length > 0)).toEqual([])
    expect(ours.flatMap(([, { volumes }]) => volumes.map((volume) => volume.split(':').at(-1)))).toEqual(
      ours.flatMap(() => ['/lake', '/home/node/lakeshore']),
    )
  })

  it('gives a file system that cannot be written to every server whose image starts with one', () => {
    expect(services.flatMap(([name, { read_only }]) => (read_only ? [] : [name])).toSorted()).toEqual([
      // Their images write their configuration at each start.
      'clickhouse',
      'kafka',
    ])
    expect(services.filter(([, { read_only, tmpfs }]) => read_only && !tmpfs.includes('/tmp'))).toEqual([])
    expect(compose.services['mysql']?.tmpfs).toContain('/run/mysqld')
  })

  it('gives each stage only what it works with', () => {
    expect(Object.fromEntries(ours.map(([name, { secrets }]) => [name, secrets.toSorted()]))).toEqual({
      // All record in the run store how they are.
      producer: ['metadata_password'],
      landing: ['metadata_password', 's3_secret_key'],
      realtime: ['clickhouse_password', 'metadata_password'],
      scheduler: ['clickhouse_password', 'metadata_password', 's3_secret_key'],
      console: ['clickhouse_password', 'console_token', 'metadata_password', 's3_secret_key'],
    })
  })

  it('puts no password into the arguments of a process', () => {
    const commands = services.flatMap(([, { command = [], entrypoint = [], healthcheck }]) => [
      ...command,
      ...entrypoint,
      ...healthcheck.test,
    ])
    const scripts = [read('deploy/clickhouse/reader.sh'), read('deploy/kafka/start.sh')]

    expect([...commands, ...scripts].filter((each) => /--password\b|\s-p\s?\$/.test(each))).toEqual([])
  })

  it('lets a notebook of this machine reach Kafka and ClickHouse', () => {
    const { kafka, clickhouse } = compose.services
    expect(clickhouse?.ports).toEqual(['127.0.0.1:8123:8123'])
    expect(kafka?.ports).toEqual(['127.0.0.1:9094:9094'])
    expect(kafka?.environment['KAFKA_ADVERTISED_LISTENERS']).toContain('OUTSIDE://127.0.0.1:9094')
    expect(kafka?.environment['KAFKA_LISTENERS']).toContain('OUTSIDE://:9094')
  })

  it('waits only for services that are there and can become healthy', () => {
    const broken = services.flatMap(([name, { depends_on }]) =>
      Object.keys(depends_on)
        .filter((other) => compose.services[other] === undefined)
        .map((other) => `${name} waits for ${other}`),
    )

    expect(broken).toEqual([])
  })

  it('holds no password', () => {
    expect(
      services.flatMap(([name, { environment }]) => spelledOut(environment).map((at) => [name, at])),
    ).toEqual([])
    expect(
      spelledOut({
        A_PASSWORD: 'x',
        URL: 'mysql://u:p@h/d',
        OK_PASSWORD_FILE: '/run/secrets/a',
        CLEAN: 'mysql://u@h/d',
      }),
    ).toEqual(['A_PASSWORD', 'URL'])
  })

  it('gives each service the secrets and volumes that it names', () => {
    for (const [, { environment, secrets, volumes, entrypoint = [] }] of services) {
      const named = [...Object.values(environment), ...entrypoint].flatMap((value) =>
        [...value.matchAll(/\/run\/secrets\/(?<name>\w+)/g)].map(({ groups }) => groups?.['name'] ?? ''),
      )
      expect(secrets).toEqual(expect.arrayContaining(named))
      expect(Object.keys(compose.secrets)).toEqual(expect.arrayContaining(secrets))
      for (const [source = ''] of volumes.map((volume) => interpolated(volume).split(':'))) {
        expect(source.startsWith('./') ? existsSync(join(root, source)) : source in compose.volumes).toBe(
          true,
        )
      }
    }
  })

  it('publishes on loopback alone', () => {
    expect(
      services.flatMap(([, { ports }]) => ports).filter((port) => !port.startsWith('127.0.0.1:')),
    ).toEqual([])
  })

  it.each(ours)('sets only variables that the platform knows, to values that it takes: %s', (_, service) => {
    const known = Object.entries(variables).flatMap(([name, variable]) =>
      'secret' in variable && variable.secret === true ? [name, `${name}_FILE`] : [name],
    )
    const [secret, empty] = [join(folder, 'secret'), join(folder, 'empty')]
    writeFileSync(secret, 'word-of-16-chars')
    // As deploy/make-secrets.sh leaves it, for a lake that is not in a bucket.
    writeFileSync(empty, '')
    const environment = Object.fromEntries(
      Object.entries(service.environment).map(([name, value]) => [
        name,
        name === 'S3_SECRET_KEY_FILE' ? empty : name.endsWith('_FILE') ? secret : interpolated(value),
      ]),
    )

    expect(Object.keys(environment).filter((name) => !known.includes(name))).toEqual([])
    const config = readConfig(environment)
    const { secrets } = service
    const has = (secret: string): boolean => secrets.includes(secret)
    const [needsClickHouse, needsRuns, needsLake] = [
      has('clickhouse_password'),
      has('metadata_password'),
      has('s3_secret_key'),
    ]
    if (needsLake) {
      expect(config).toMatchObject({
        lakeUri: '/lake/tables',
        s3: { endpoint: undefined, secretKey: undefined },
      })
    }
    const clickhouse = { url: 'http://clickhouse:8123', username: 'lakeshore', password: 'word-of-16-chars' }
    if (needsClickHouse) expect(config.clickhouse).toMatchObject(clickhouse)
    const metadata = { url: 'mysql://lakeshore@mysql:3306/lakeshore', password: 'word-of-16-chars' }
    if (needsRuns) expect(config.metadata).toMatchObject(metadata)
    if (has('console_token')) expect(config.console.token).toBe('word-of-16-chars')
    if (service.environment['KAFKA_BROKERS'] !== undefined) {
      expect(config.kafka).toMatchObject({ brokers: ['kafka:9092'] })
    }
  })

  it('takes from outside every setting that deploy/README.md names', () => {
    const named =
      read('deploy/README.md')
        .match(/\*\*(?:Settings|The lake in a bucket)\*\*[\s\S]*?\n- /g)
        ?.join('') ?? ''
    const settings = [...named.matchAll(/`(?<name>[A-Z][A-Z0-9_]+)[`=]/g)].flatMap(
      ({ groups }) => groups?.['name'] ?? [],
    )

    expect(settings).toContain('CONSOLE_ALLOWED_HOSTS')
    expect(settings.filter((name) => !text.includes(`\${${name}:-`))).toEqual([])
  })

  it('gives Grafana every variable that its data source names', () => {
    const source = read('dashboards/provisioning/datasources/clickhouse.yaml')
    const named = [...source.matchAll(/\$(?<name>[A-Z_]+)/g)].map(({ groups }) => groups?.['name'] ?? '')
    const { environment = {}, entrypoint = [] } = compose.services['grafana'] ?? {}

    const missing = named.filter(
      (name) => !(name in environment) && !entrypoint.join(' ').includes(`${name}=`),
    )

    expect(named).toContain('CLICKHOUSE_PASSWORD')
    expect(missing).toEqual([])
  })
})

describe('deploy/make-secrets.sh', () => {
  it('makes every secret that the compose file names, once, where git does not look', () => {
    const script = join(folder, 'make-secrets.sh')
    copyFileSync(join(root, 'deploy', 'make-secrets.sh'), script)
    const made = (): Record<string, string> =>
      Object.fromEntries(
        readdirSync(join(folder, 'secrets')).map((name) => [
          name,
          readFileSync(join(folder, 'secrets', name), 'utf8'),
        ]),
      )

    expect(spawnSync('bash', [script]).status).toBe(0)
    const first = made()
    expect(spawnSync('bash', [script]).status).toBe(0)

    expect(Object.keys(first).sort()).toEqual(Object.keys(compose.secrets).sort())
    expect(made()).toEqual(first)
    expect(new Set(Object.values(first)).size).toBe(Object.keys(first).length)
    expect(
      Object.entries(first)
        .filter(([, word]) => !/^[0-9a-f]{48}$/.test(word))
        .map(([name]) => name),
    ).toEqual(['s3_secret_key'])
    expect(statSync(join(folder, 'secrets')).mode & 0o777).toBe(0o700)
    for (const { file } of Object.values(compose.secrets)) {
      expect(spawnSync('git', ['check-ignore', '-q', file], { cwd: root }).status).toBe(0)
    }
  })
})

describe('deploy/kafka/start.sh', () => {
  it('makes a cluster id for a new volume, and keeps the one that a volume has', () => {
    const program = (name: string, body: string): string => {
      const path = join(folder, name)
      writeFileSync(path, `#!/bin/bash\n${body}\n`)
      chmodSync(path, 0o755)
      return path
    }
    program('kafka-storage.sh', 'echo fresh-id')
    const start = program('start', 'echo "$CLUSTER_ID $1"')
    const data = join(folder, 'data')
    mkdirSync(data)
    const run = (): string =>
      spawnSync('bash', [join(root, 'deploy', 'kafka', 'start.sh')], {
        env: {
          PATH: '/usr/bin:/bin',
          KAFKA_LOG_DIRS: data,
          KAFKA_BIN: folder,
          KAFKA_START: start,
          KAFKA_RUN: 'run',
        },
        encoding: 'utf8',
      }).stdout

    expect(run()).toBe('fresh-id run\n')
    writeFileSync(join(data, 'meta.properties'), 'version=1\ncluster.id=kept-id\nnode.id=1\n')
    expect(run()).toBe('kept-id run\n')
  })
})
