import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { LakeError } from '../../lib/base/errors.ts'
import { type Logger, silentLogger } from '../../lib/base/log.ts'
import { openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { batchDag } from '../batch/dag-name.ts'
import { runRecordedBatch } from '../batch/recorded.ts'
import { openPlatform, type Platform } from '../platform/compose.ts'
import { readConfig } from '../platform/config.ts'
import { batchContextOf, runLandingStage } from '../platform/stages.ts'
import { columnOrigins } from './column-lineage.ts'
import { datasetName, originsOfTables } from './task-datasets.ts'

/** What the specification requires of an event and of the facets that are sent, and nothing beside the facets' own. */
const facet = { _producer: z.url(), _schemaURL: z.url() }
const named = { namespace: z.string().min(1), name: z.string().min(1) }
const datasetFacets = {
  schema: z
    .strictObject({ ...facet, fields: z.array(z.strictObject({ name: z.string(), type: z.string() })) })
    .optional(),
  version: z.strictObject({ ...facet, datasetVersion: z.string() }).optional(),
}
const eventSchema = z.strictObject({
  eventType: z.enum(['START', 'RUNNING', 'COMPLETE', 'ABORT', 'FAIL', 'OTHER']),
  eventTime: z.iso.datetime(),
  producer: z.url(),
  schemaURL: z.literal('https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent'),
  run: z.strictObject({
    runId: z.uuid(),
    facets: z.strictObject({
      parent: z
        .strictObject({ ...facet, run: z.strictObject({ runId: z.uuid() }), job: z.strictObject(named) })
        .optional(),
      errorMessage: z
        .strictObject({ ...facet, message: z.string(), programmingLanguage: z.string() })
        .optional(),
    }),
  }),
  job: z.strictObject({ ...named, facets: z.strictObject({}) }),
  inputs: z.array(
    z.strictObject({ ...named, facets: z.strictObject(datasetFacets), inputFacets: z.strictObject({}) }),
  ),
  outputs: z.array(
    z.strictObject({
      ...named,
      facets: z.strictObject({
        ...datasetFacets,
        columnLineage: z
          .strictObject({
            ...facet,
            fields: z.record(
              z.string(),
              z.strictObject({ inputFields: z.array(z.strictObject({ ...named, field: z.string() })) }),
            ),
          })
          .optional(),
      }),
      outputFacets: z.strictObject({
        outputStatistics: z.strictObject({ ...facet, rowCount: z.int() }).optional(),
      }),
    }),
  ),
})
type Event = z.infer<typeof eventSchema>

/** Where nobody listens any more. */
async function goneReceiver(): Promise<string> {
  const gone = createServer()
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
  const { port } = gone.address() as AddressInfo
  await new Promise((resolve) => gone.close(resolve))
  return `http://127.0.0.1:${port}`
}

const input = { name: 't', columns: ['a', 'b', 'c'] }

describe('columnOrigins(session, sql, input)', () => {
  it.each([
    ['SELECT a, b AS x FROM t', { a: ['a'], x: ['b'] }],
    ['SELECT t.a, u.b FROM t u', { b: ['b'] }],
    [
      "SELECT count(DISTINCT CASE WHEN a = 'x' THEN b END) / sum(c) AS r FROM t GROUP BY a",
      { r: ['a', 'b', 'c'] },
    ],
    ['SELECT count(*) AS n, a FROM t GROUP BY a', { a: ['a'] }],
    [
      'SELECT a, n FROM (SELECT *, row_number() OVER (PARTITION BY b ORDER BY c) AS n FROM t) WHERE n = 1',
      { a: ['a'], n: ['b', 'c'] },
    ],
    ['SELECT * FROM t', { a: ['a'], b: ['b'], c: ['c'] }],
    ['SELECT * EXCLUDE (a) FROM t', {}],
    ['SELECT (SELECT max(a) FROM t) AS m, b FROM t', { b: ['b'] }],
    ['SELECT missing, a FROM t', { a: ['a'] }],
    ['WITH u AS (SELECT b AS a FROM t) SELECT a FROM u', {}],
    ['SELECT x.a FROM t x JOIN t y ON x.a = y.a', {}],
    ['SELECT a FROM t UNION ALL SELECT b FROM t', {}],
    ['SELECT a FROM other', {}],
    ['SELECT a FROM t; SELECT b FROM t', {}],
    ['not sql', {}],
  ])('%s', async (sql, expected) => {
    using duckdb = await openDuckDb({ threads: 1 })

    const found = await duckdb.use((session) => columnOrigins(session, sql, input))

    expect(Object.fromEntries([...found].map(([column, of]) => [column, [...of].sort()]))).toEqual(expected)
  })
})

describe('originsOfTables(duckdb)', () => {
  it('knows the columns of silver and gold', async () => {
    using duckdb = await openDuckDb({ threads: 1 })

    const found = await originsOfTables(duckdb)

    expect(found.get('silver/events')?.get('event_id')).toEqual(['event_id'])
    expect([...(found.get('silver/quarantine')?.get('reasons') ?? [])]).toEqual(
      expect.arrayContaining(['event_type', 'source', 'user_id']),
    )
    expect(Object.fromEntries(found.get('gold/conversion_rate_daily') ?? [])).toEqual({
      event_date: ['event_date'],
      conversion_rate: ['event_type', 'user_id'],
      total_purchases: ['event_type'],
      dau_count: ['user_id'],
    })
  })
})

describe('datasetName(lakeUri, table)', () => {
  it.each([
    ['s3://bucket/a/b', 's3://bucket', 'a/b/silver/events'],
    ['s3://bucket', 's3://bucket', 'silver/events'],
    ['/srv/lake', 'file', '/srv/lake/silver/events'],
  ])('%s', (uri, namespace, name) => {
    expect(datasetName(uri, 'silver/events')).toEqual({ namespace, name })
  })
})

describe('a batch with OPENLINEAGE_URL', () => {
  let home: string
  let server: Server
  let events: Event[]
  let seen: { url: string | undefined; headers: IncomingHttpHeaders }[]
  let status: number
  const opened: Platform[] = []
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'lakeshore-lineage-'))
    events = []
    seen = []
    status = 201
    server = createServer((request, response) => {
      let body = ''
      request.on('data', (piece) => {
        body += String(piece)
      })
      request.on('end', () => {
        seen.push({ url: request.url, headers: request.headers })
        events.push(eventSchema.parse(JSON.parse(body)))
        response.writeHead(status).end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(async () => {
    for (const each of opened.splice(0)) await each[Symbol.asyncDispose]()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await rm(home, { recursive: true, force: true })
  })

  /** A batch whose load fails: there is no ClickHouse. */
  async function batch(logger: Logger = silentLogger, url?: string): Promise<string> {
    const { port } = server.address() as AddressInfo
    const config = readConfig({
      LAKE_HOME: home,
      DUCKDB_THREADS: '1',
      OPENLINEAGE_URL: url ?? `http://127.0.0.1:${port}/`,
      OPENLINEAGE_API_KEY: 'k3y',
    })
    const platform = openPlatform(config, { logger })
    opened.push(platform)
    const log = await platform.log()
    const event = {
      event_id: 'e1',
      user_id: 7,
      event_type: 'purchase',
      page: '/p',
      timestamp: new Date(Date.now() - 60_000).toISOString(),
      source: 'web',
    }
    await log.append([{ key: null, value: Buffer.from(JSON.stringify(event)) }])
    await runLandingStage(platform, { drain: true })
    const down = (): Promise<never> => Promise.reject(new LakeError('CLICKHOUSE_REFUSED', 'not here'))
    const context = { ...(await batchContextOf(platform)), clickhouse: down }
    return (await runRecordedBatch(context, await platform.runs(), { trigger: 'manual' })).kind
  }

  it('tells of the run and of each task, with datasets, versions, rows, columns and the error', async () => {
    const kind = await batch()

    expect(kind).toBe('failed')
    expect(
      seen.every(({ url, headers }) => url === '/api/v1/lineage' && headers.authorization === 'Bearer k3y'),
    ).toBe(true)
    const told = events.map(({ eventType, job }) => `${eventType} ${job.name}`)
    expect(told.at(0)).toBe(`START ${batchDag}`)
    expect(told.at(-1)).toBe(`FAIL ${batchDag}`)
    expect(told).toEqual(
      expect.arrayContaining([
        `COMPLETE ${batchDag}.bronze_to_silver`,
        `FAIL ${batchDag}.gold_to_clickhouse`,
      ]),
    )
    // Each begins once and ends once, and knows its run.
    const [first] = events
    for (const id of new Set(events.map(({ run }) => run.runId))) {
      const types = events.filter(({ run }) => run.runId === id).map(({ eventType }) => eventType)
      expect(types).toEqual(['START', expect.stringMatching(/COMPLETE|FAIL/)])
    }
    for (const { run, job } of events) {
      if (job.name !== batchDag) expect(run.facets.parent?.run.runId).toBe(first?.run.runId)
    }
    const gold = events.find(
      ({ eventType, job }) => eventType === 'COMPLETE' && job.name.endsWith('silver_to_gold_dau'),
    )
    const lake = (table: string): string => `${home}/tables/${table}`
    expect(gold?.inputs.map(({ name }) => name)).toEqual([lake('silver/events')])
    expect(gold?.outputs).toMatchObject([
      {
        namespace: 'file',
        name: lake('gold/daily_active_users'),
        facets: {
          version: { datasetVersion: '1' },
          schema: {
            fields: [
              { name: 'event_date', type: 'date' },
              { name: 'dau_count', type: 'long' },
            ],
          },
          columnLineage: {
            fields: {
              dau_count: {
                inputFields: [{ namespace: 'file', name: lake('silver/events'), field: 'user_id' }],
              },
            },
          },
        },
        outputFacets: { outputStatistics: { rowCount: 1 } },
      },
    ])
    expect(events.at(-1)?.run.facets.errorMessage?.message).toMatch(/TASK_FAILED|CLICKHOUSE_REFUSED/)
  })

  it.each([
    ['refuses', async () => undefined, 'it answers 500'],
    ['is not there', goneReceiver, 'ECONNREFUSED'],
  ])('goes on, and warns once, where the receiver %s', async (_, urlOf, problem) => {
    const warned: unknown[] = []
    const logger: Logger = {
      ...silentLogger,
      warn: (details, message) => {
        if (message.startsWith('Lineage')) warned.push(details['problem'])
      },
    }
    status = 500

    expect(await batch(logger, await urlOf())).toBe('failed')

    expect(warned).toEqual([problem])
  })
})
