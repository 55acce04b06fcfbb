import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import type { Compute, ComputeInput } from '../../lib/compute/compute.ts'
import { MemoryRecorder } from '../../lib/dag/recorder.memory.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { checksOf } from '../model/checks.ts'
import { goldMetrics } from '../model/gold.ts'
import { type LakeTable, lakeTableNames } from '../model/tables.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from '../reconcile/books.fixture.ts'
import { type BatchContext, runBatch } from './batch.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const days = ['2026-11-20', '2026-11-21', '2026-11-22']

let platform: SmallPlatform
beforeEach(async () => {
  platform = await openSmallPlatform(duckdb, undefined as unknown as ClickHouse)
  await platform.send(days.flatMap((day, at) => someMessages(40 + at, at + 1, day)))
  await platform.land()
  return () => platform[Symbol.asyncDispose]()
})

/** Of the files that are read together; nothing of what stays as it is. */
const daysOf = (inputs: readonly ComputeInput[]): readonly (string | null | undefined)[] =>
  inputs
    .filter(({ name }) => name !== 'kept')
    .flatMap(({ files = [] }) => files.map(({ partitionValues }) => partitionValues['event_date']))

/** Tells which days are computed together. */
function recorded(computed: unknown[][], { before = async () => undefined as unknown } = {}): Compute {
  return {
    engine: 'recorded',
    version: async () => '1.0',
    stage: async (request, options) => {
      for (const inputs of request.inParts?.parts ?? [request.inputs])
        computed.push([...new Set(daysOf(inputs))])
      await before()
      return platform.context.compute.stage(request, options)
    },
  }
}

/** Nothing is loaded into ClickHouse. */
const run = (parts: Partial<BatchContext>, tasks = ['bronze_to_silver']): ReturnType<typeof runBatch> =>
  runBatch(
    { ...platform.context, ...parts },
    { scope: { kind: 'full' }, tasks, recorder: new MemoryRecorder() },
  )

async function rows(name: LakeTable): Promise<readonly Row[]> {
  const table = platform.context.table(name)
  return duckdb.use(async (session) => {
    return await session.rows(`from (${await table.scan(session, await table.snapshot())}) order by all`)
  })
}

async function parquetFiles(name: LakeTable): Promise<number> {
  const keys = await readdir(new URL(`${platform.context.table(name).uri}/`, 'file:'), { recursive: true })
  return keys.filter((key) => key.endsWith('.parquet')).length
}

const all = ['bronze_to_silver', ...goldMetrics.map(({ task }) => task)]
const made = lakeTableNames.filter((name) => !name.startsWith('bronze'))

describe('stageDays(context, request, before, days, options)', () => {
  it('computes large days one after the other, and commits them together', async () => {
    const [together, apart]: [unknown[][], unknown[][]] = [[], []]
    await run({ compute: recorded(together) }, all)
    const [before, rowsBefore] = [
      await Promise.all(made.map((name) => platform.context.table(name).snapshot())),
      await Promise.all(made.map(rows)),
    ]

    const { kind } = await run({ compute: recorded(apart), groupBytes: 1 }, all)

    expect(kind).toBe('succeeded')
    expect(together).toEqual(made.map(() => days))
    expect(apart).toEqual(made.flatMap(() => days.map((day) => [day])))
    expect(await Promise.all(made.map(rows))).toEqual(rowsBefore)
    const after = await Promise.all(made.map((name) => platform.context.table(name).snapshot()))
    expect(after.map(({ version }) => version)).toEqual(before.map(({ version }) => version + 1))
    // A table without partitions stays in one file, however its rows were computed.
    const gold = after.filter((_, at) => made[at]?.startsWith('gold'))
    expect(gold.map(({ files }) => files.length)).toEqual(gold.map(() => 1))
  })

  it('asks a check of the days of every group, and names them in one error', async () => {
    const { nodes } = await run({
      groupBytes: 1,
      checksOf: (table) => [
        ...checksOf(table),
        ...(table === 'silver/events'
          ? [
              {
                severity: 'fail',
                expectation: { kind: 'condition', name: 'no partition 0', sql: 'kafka_partition <> 0' },
              } as const,
            ]
          : []),
      ],
    })

    const [silver] = nodes
    const message = silver?.kind === 'failed' ? String(silver.error) : ''
    for (const day of days) expect(message).toContain(`${day}: expected no partition 0`)
    expect(await rows('silver/events')).toEqual([])
  })

  it('leaves no file of the groups before it if one cannot be computed', async () => {
    const computed: unknown[][] = []
    const compute = recorded(computed, {
      before: () =>
        computed.length === 2 * days.length ? Promise.reject(new Error('no space left')) : Promise.resolve(),
    })

    const { nodes } = await run({ compute, groupBytes: 1 })

    expect(nodes[0]).toMatchObject({ kind: 'failed', error: new Error('no space left') })
    expect(computed.slice(days.length)).toEqual(days.map((day) => [day]))
    expect(await parquetFiles('silver/events')).toBe(0)
  })

  it.each([
    2, 8,
  ])('computes groups side by side where asked for, up to %i, and commits them together', async (groupsAtOnce) => {
    await run({}, all)
    const rowsBefore = await Promise.all(made.map(rows))
    let [atWork, most] = [0, 0]
    const real = platform.context.compute
    const compute: typeof real = {
      ...real,
      stage: async (...request) => {
        most = Math.max(most, ++atWork)
        try {
          return await real.stage(...request)
        } finally {
          atWork -= 1
        }
      },
    }
    const before = await platform.context.table('silver/events').snapshot()

    await run({ compute, groupBytes: 1, groupsAtOnce }, ['bronze_to_silver'])

    expect(most).toBe(Math.min(groupsAtOnce, days.length))
    expect((await platform.context.table('silver/events').snapshot()).version).toBe(before.version + 1)
    expect(await Promise.all(made.map(rows))).toEqual(rowsBefore)
  })

  it('leaves no file where one of the groups beside each other cannot be computed', async () => {
    const computed: unknown[][] = []
    const compute = recorded(computed, {
      before: () =>
        computed.length === 2 * days.length - 1
          ? Promise.reject(new Error('no space left'))
          : Promise.resolve(),
    })

    const { nodes } = await run({ compute, groupBytes: 1, groupsAtOnce: days.length })

    expect(nodes[0]).toMatchObject({ kind: 'failed', error: new Error('no space left') })
    expect(await parquetFiles('silver/events')).toBe(0)
  })

  it('makes all days together where no size is too large', async () => {
    const computed: unknown[][] = []

    await run({ compute: recorded(computed), groupBytes: Number.POSITIVE_INFINITY })

    expect(computed).toEqual([days, days])
    expect(await rows('silver/events')).not.toEqual([])
  })

  it.each([
    1,
    2 ** 30,
  ])('asks of a table as a whole also where no row is made (groups of %i bytes)', async (groupBytes) => {
    // So few that each is valid.
    await using small = await openSmallPlatform(duckdb, undefined as unknown as ClickHouse)
    await small.send(days.flatMap((day, at) => someMessages(5, at + 1, day)))
    await small.land()
    const fresh = { kind: 'freshness', column: 'timestamp', maxAgeHours: 1 } as const
    const checks = (name: LakeTable): ReturnType<typeof checksOf> =>
      name === 'silver/quarantine' ? [{ severity: 'fail', expectation: fresh }] : checksOf(name)

    const { nodes } = await runBatch(
      { ...small.context, checksOf: checks, groupBytes },
      { tasks: ['bronze_to_silver'], recorder: new MemoryRecorder() },
    )

    expect(nodes[0]).toMatchObject({
      kind: 'failed',
      error: { code: 'CHECK_FAILED', details: { table: 'silver/quarantine' } },
    })
  })
})
