/** The whole batch on a cluster of Sail: the same silver, quarantine and gold as DuckDB's, also after the server was killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createConnection, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { openSparkCompute } from '../../lib/compute/compute.spark.ts'
import type { Compute } from '../../lib/compute/compute.ts'
import type { RunOutcome } from '../../lib/dag/node.ts'
import { MemoryRecorder } from '../../lib/dag/recorder.memory.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { goldMetrics } from '../model/gold.ts'
import { type LakeTable, lakeTableNames } from '../model/tables.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from '../reconcile/books.fixture.ts'
import { runBatch } from './batch.ts'

/** More than an engine takes at once. */
const days = Array.from({ length: 20 }, (_, at) => `2026-10-${String(at + 1).padStart(2, '0')}`)
const tasks = ['bronze_to_silver', ...goldMetrics.map(({ task }) => task)]
const made = lakeTableNames.filter((name) => !name.startsWith('bronze'))

let duckdb: DuckDb
let platform: SmallPlatform
let expected: readonly string[]
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  platform = await openSmallPlatform(duckdb, undefined as unknown as ClickHouse)
  await platform.send(days.flatMap((day, at) => someMessages(40, at + 1, day)))
  await platform.land()
  await using alone = await platform.copy()
  await batchOf(alone, alone.context.compute)
  expected = await hashesOf(alone)
})
afterAll(async () => {
  await platform[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
})

const batchOf = (of: SmallPlatform, compute: Compute, attempts = 1): Promise<RunOutcome> =>
  runBatch(
    { ...of.context, compute, attempts: { mostAttempts: attempts } },
    { tasks, recorder: new MemoryRecorder() },
  )

/** Of the rows of each table, in any order. */
function hashesOf(of: SmallPlatform): Promise<readonly string[]> {
  return Promise.all(made.map((name) => hashOf(of, name)))
}

function hashOf({ context }: SmallPlatform, name: LakeTable): Promise<string> {
  return duckdb.use(async (session) => {
    const table = context.table(name)
    const scan = await table.scan(session, await table.snapshot())
    const { rows, hash } = await session.row(
      `select count(*) as rows, md5(string_agg(row_hash, '' order by row_hash)) as hash
       from (select md5(t::varchar) as row_hash from (${scan}) t)`,
    )
    return `${name}: ${rows} rows, ${hash}`
  })
}

async function sailOn(port: number): Promise<ChildProcess> {
  const [command = '', ...args] = JSON.parse(process.env['SAIL_COMMAND'] ?? '[]') as readonly string[]
  const server = spawn(command, [...args, String(port)], { stdio: 'ignore' })
  await expect.poll(() => isOpen(port)).toBe(true)
  return server
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    socket.once('connect', () => resolve(socket.destroy() !== undefined))
    socket.once('error', () => resolve(false))
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}

describe('a batch on Sail', () => {
  it('makes what DuckDB makes', async () => {
    await using of = await platform.copy()
    const compute = openSparkCompute({ url: process.env['SAIL_URL'] ?? '', duckdb })

    const { kind } = await batchOf(of, compute)

    expect(kind).toBe('succeeded')
    expect(await hashesOf(of)).toEqual(expected)
    await compute[Symbol.asyncDispose]?.()
  })

  it('is right after the server was killed at any time, and was started again', async () => {
    const port = await freePort()
    let server = await sailOn(port)
    const compute = openSparkCompute({ url: `sc://127.0.0.1:${port}`, duckdb })
    const outcomes: string[] = []
    try {
      for (const afterMs of [100, 900]) {
        await using of = await platform.copy()
        const running = batchOf(of, compute, 4)
        await sleep(afterMs)
        server.kill('SIGKILL')
        await once(server, 'exit')
        server = await sailOn(port)
        outcomes.push((await running).kind)
        expect(await hashesOf(of)).toEqual(expected)
      }
    } finally {
      server.kill('SIGKILL')
      await compute[Symbol.asyncDispose]?.()
    }
    expect(outcomes).toEqual(outcomes.map(() => 'succeeded'))
  })
})
