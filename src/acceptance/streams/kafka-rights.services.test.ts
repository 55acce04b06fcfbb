/** Each stage works with the rights that are declared for it, and says which one is missing when one is taken away. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  Kafka,
  logLevel,
  ResourcePatternTypes,
} from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hintOf } from '../../hints/hints.ts'
import { offset } from '../../lib/eventlog/eventlog.ts'
import type { KafkaRight } from '../../lib/eventlog/kafka/errors.ts'
import { openPlatform, type Platform } from '../../pipeline/platform/compose.ts'
import { readConfig } from '../../pipeline/platform/config.ts'
import { type KafkaUser, kafkaRights, kafkaUsers } from '../../pipeline/platform/kafka-rights.ts'
import { runLandingStage, runRealtimeStage } from '../../pipeline/platform/stages.ts'
import { produce } from '../../pipeline/producer/produce.ts'
import { emptyOffsets } from '../../pipeline/reconcile/ledger/empty-offsets.ts'
import { consumerGroups, replayWriter } from '../../pipeline/streaming/consumer-groups.ts'

const { KAFKA_SECURED_BROKERS: brokers = '', KAFKA_SECURED_PASSWORD: password = '' } = process.env
const topic = `rights-${randomUUID()}`
const admin = new Kafka({
  brokers: brokers.split(','),
  sasl: { mechanism: 'plain', username: 'admin', password },
  logLevel: logLevel.NOTHING,
}).admin()

const types = {
  topic: AclResourceTypes.TOPIC,
  group: AclResourceTypes.GROUP,
  'transactional-id': AclResourceTypes.TRANSACTIONAL_ID,
  cluster: AclResourceTypes.CLUSTER,
} as const

/** Gives a user these rights and no others; resolves when the broker knows it. */
async function allow(user: KafkaUser, rights: readonly KafkaRight[]): Promise<void> {
  const principal = `User:${user}`
  const any = {
    resourceType: AclResourceTypes.ANY,
    resourcePatternType: ResourcePatternTypes.ANY,
    operation: AclOperationTypes.ANY,
    permissionType: AclPermissionTypes.ANY,
    principal,
  }
  await admin.deleteAcls({ filters: [any] })
  if (rights.length > 0)
    await admin.createAcls({
      acl: rights.map(({ operation, resource, name, isPrefix }) => ({
        principal,
        host: '*',
        permissionType: AclPermissionTypes.ALLOW,
        operation: AclOperationTypes[operation],
        resourceType: types[resource],
        resourceName: name,
        resourcePatternType: isPrefix === true ? ResourcePatternTypes.PREFIXED : ResourcePatternTypes.LITERAL,
      })),
    })
  await expect
    .poll(async () => {
      const { resources } = await admin.describeAcls(any)
      return resources.flatMap(({ acls }) => acls).length
    })
    .toBe(rights.length)
}

let home = ''
const opened: Platform[] = []

function platformOf(user: string): Platform {
  const platform = openPlatform(
    readConfig({
      LAKE_HOME: home,
      KAFKA_BROKERS: brokers,
      KAFKA_TOPIC: topic,
      KAFKA_SASL_MECHANISM: 'plain',
      KAFKA_USERNAME: user,
      KAFKA_PASSWORD: password,
      LANDING_TRIGGER_SECONDS: '0.1',
      REALTIME_TRIGGER_SECONDS: '0.1',
      DUCKDB_THREADS: '1',
    }),
  )
  platform.endClickHouseAtClose()
  opened.push(platform)
  return platform
}

async function send(platform: Platform): Promise<void> {
  const plan = { kind: 'history', count: 30, days: 1, untilMs: Date.now() } as const
  await produce(await platform.log(), { seed: 1, plan, late: 0, duplicate: 0, malformed: 0 })
}

/** Runs a stage as one of its group until it has written something. */
async function untilWritten(run: typeof runLandingStage | typeof runRealtimeStage, platform: Platform) {
  const stop = new AbortController()
  await run(platform, { signal: stop.signal, onProgress: () => stop.abort(new Error('written')) })
}

/** What needs all the rights of a user. */
const work: Readonly<Record<KafkaUser, (platform: Platform) => Promise<unknown>>> = {
  producer: send,
  landing: (platform) => untilWritten(runLandingStage, platform),
  realtime: (platform) => untilWritten(runRealtimeStage, platform),
  books: async (platform) => {
    const log = await platform.log()
    await emptyOffsets(log, { partition: 0, from: offset(0n), to: offset(1n) })
    await log.readAt(0, offset(0n))
  },
  console: async (platform) => (await platform.log()).readAt(0, offset(0n)),
  replay: async (platform) => {
    const log = await platform.log()
    await using appender = await log.appendAs?.(replayWriter(topic))
    await appender?.append([{ key: null, value: Buffer.from('{}') }])
    for await (const event of log.consume({
      group: consumerGroups.replay,
      membership: 'alone',
      positions: async () => new Map(),
    }))
      if (event.kind === 'fetched') break
  },
  doctor: async (platform) => {
    const log = await platform.log()
    await log.partitions()
    expect(await log.timestampType()).toBe('append')
  },
}

/** READ and WRITE include DESCRIBE, which is left where one of them is taken away. */
const without = (rights: readonly KafkaRight[], { operation, resource, name }: KafkaRight): KafkaRight[] =>
  rights.flatMap((right) => {
    if (right.operation !== operation || right.name !== name) return [right]
    return resource === 'topic' && operation !== 'DESCRIBE' && operation !== 'DESCRIBE_CONFIGS'
      ? [{ ...right, operation: 'DESCRIBE' as const }]
      : []
  })

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-rights-'))
  await admin.connect()
  const platform = platformOf('admin')
  await send(platform)
  await untilWritten(runLandingStage, platform)
  await untilWritten(runRealtimeStage, platform)
})
afterAll(async () => {
  for (const platform of opened) await platform[Symbol.asyncDispose]()
  await admin.deleteTopics({ topics: [topic] })
  await admin.disconnect()
  await rm(home, { recursive: true, force: true, maxRetries: 5 })
})

const cases = kafkaUsers.flatMap((user) => kafkaRights(user, topic).map((right) => ({ user, right })))

describe('the declared rights', () => {
  it.each(kafkaUsers)('are all that %s needs', async (user) => {
    await send(opened[0] ?? platformOf('admin'))
    await allow(user, kafkaRights(user, topic))

    await work[user](platformOf(user))
  })

  it.each(
    cases.filter(({ right }) => right.operation !== 'DESCRIBE_CONFIGS'),
  )('are needed: $user says that it lacks $right.operation on $right.resource $right.name', async ({
    user,
    right,
  }) => {
    await send(opened[0] ?? platformOf('admin'))
    await allow(user, without(kafkaRights(user, topic), right))

    const failure = await work[user](platformOf(user)).then(
      () => undefined,
      (error: unknown) => error,
    )

    const { operation, resource, name } = right
    expect(failure).toMatchObject({
      code: 'EVENTLOG_REFUSED',
      message: expect.stringContaining(`the user lacks ${operation} on ${resource} ${name}`),
      details: { fault: 'right-missing', operation, resource, name },
    })
    expect(hintOf(failure)).toContain(`--operation ${operation} --${resource} ${name}`)
  })

  it('leaves the timestamps unknown to a doctor who may not see the settings', async () => {
    await allow('doctor', [{ operation: 'DESCRIBE', resource: 'topic', name: topic }])

    expect(await (await platformOf('doctor').log()).timestampType()).toBe('unknown')
  })

  it.each(
    kafkaUsers,
  )('are needed: without any, %s says that it lacks DESCRIBE on the topic', async (user) => {
    await allow(user, [])

    await expect(platformOf(user).log()).rejects.toMatchObject({
      code: 'EVENTLOG_REFUSED',
      details: { fault: 'right-missing', operation: 'DESCRIBE', resource: 'topic', name: topic },
    })
  })
})
