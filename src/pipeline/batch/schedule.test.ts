import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LakeError } from '../../lib/base/errors.ts'
import { type Logger, silentLogger } from '../../lib/base/log.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { setProperties } from '../../lib/delta/index.ts'
import { openRunStore, type RunStore } from '../../lib/runs/run-store.ts'
import { parseCron } from '../../lib/schedule/cron.ts'
import { lakeTables } from '../model/tables.ts'
import { openPlatform, type Platform } from '../platform/compose.ts'
import { readConfig } from '../platform/config.ts'
import { batchContextOf } from '../platform/stages.ts'
import { batchDag } from './dag-name.ts'
import { runBatchSchedule, type ScheduleHeartbeat } from './schedule.ts'

const dayMs = 86_400_000
const cron = parseCron('0 1 * * *', 'BATCH_CRON')

let home = ''
let platform: Platform
let store: RunStore
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-schedule-'))
  platform = openPlatform(readConfig({ LAKE_HOME: home, DUCKDB_THREADS: '1' }))
  store = await openRunStore({ url: `sqlite:${join(home, 'runs.db')}` })
  await store.ticks.baseline(batchDag, Date.now() - 2 * dayMs)
})
afterEach(async () => {
  await store[Symbol.asyncDispose]()
  await platform[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
})

/** Runs the schedule until it is stopped: by its last task, or when it has nothing to do but wait. */
async function schedule(
  lastTask: (stop: () => void) => Promise<ClickHouse>,
  heartbeat?: ScheduleHeartbeat,
): Promise<void> {
  const controller = new AbortController()
  const stop = (): void => controller.abort(new Error('stopped'))
  const logger: Logger = { ...silentLogger, debug: stop }
  const context = { ...(await batchContextOf(platform)), clickhouse: () => lastTask(stop) }

  const scheduled = runBatchSchedule(context, store, {
    cron,
    signal: controller.signal,
    logger,
    ...(heartbeat && { heartbeat }),
  })

  await expect(scheduled).rejects.toThrow('stopped')
}

const states = async (): Promise<readonly string[]> =>
  (await store.runs.list()).map(({ state }) => state).reverse()

const down = (): Promise<never> => Promise.reject(new LakeError('CLICKHOUSE_UNAVAILABLE', 'nobody answers'))

describe('runBatchSchedule(context, store, options)', () => {
  it('makes at the next start what was cut short, once', async () => {
    await schedule((stop) => {
      stop()
      return down()
    })
    expect(await states()).toEqual(['cancelled'])

    await schedule(down)
    await schedule(down)

    expect(await states()).toEqual(['cancelled', 'failed'])
    const [failed, cancelled] = await store.runs.list()
    expect(failed).toMatchObject({ trigger: 'catch-up', tick: cancelled?.tick })
  })

  it('does not make again a tick whose run somebody has cancelled', async () => {
    const { isCancelRequested } = store.runs
    const seen = new Promise<void>((resolve) => {
      Object.assign(store.runs, {
        isCancelRequested: async (id: number) => {
          const isRequested = await isCancelRequested(id)
          if (isRequested) setImmediate(resolve)
          return isRequested
        },
      })
    })

    await schedule(async () => {
      const [run] = await store.runs.list({ states: ['running'] })
      await store.runs.requestCancel(run?.id ?? 0)
      await seen
      return down()
    })
    await schedule(down)

    expect(await states()).toEqual(['cancelled'])
    const [run] = await store.runs.list()
    expect(run?.error).toMatchObject({ code: 'RUN_CANCELLED' })
  })

  it('removes from the tables what no version of the last week needs', async () => {
    const { store: files, uri } = await platform.table('bronze/events')
    await files.putIfAbsent('event_date=2026-01-01/orphan.parquet', Buffer.from('PAR1'))
    await files.putIfAbsent('event_date=2026-01-01/in-work.parquet', Buffer.from('PAR1'))
    const longAgo = new Date(Date.now() - 8 * dayMs)
    await utimes(join(uri, 'event_date=2026-01-01/orphan.parquet'), longAgo, longAgo)

    await schedule(down)

    expect(await readdir(join(uri, 'event_date=2026-01-01'))).toEqual(['in-work.parquet'])
  })

  it('keeps the files of a table whose release is older than its newest version', async () => {
    const table = await platform.table('silver/events')
    await table.createIfMissing(lakeTables['silver/events'])
    const { version, metadata } = await table.snapshot()
    await setProperties(table, { 'delta.checkpointInterval': '20' })
    await store.releases.publish({ runId: 1, tables: { 'silver/events': { version, id: metadata.id } } })
    const longAgo = new Date(Date.now() - 8 * dayMs)
    for (const { store: files, uri } of [table, await platform.table('bronze/events')]) {
      await files.putIfAbsent('event_date=2026-01-01/orphan.parquet', Buffer.from('PAR1'))
      await utimes(join(uri, 'event_date=2026-01-01/orphan.parquet'), longAgo, longAgo)
    }

    await schedule(down)

    const day = 'event_date=2026-01-01'

    expect(await readdir(join(table.uri, day))).toEqual(['orphan.parquet'])
    expect(await readdir(join((await platform.table('bronze/events')).uri, day)).catch(() => [])).toEqual([])
  })

  it('shows that it gets on at each look at the clock and during a batch, and not while the store fails', async () => {
    const signs: string[] = []
    const heartbeat = {
      beat: () => void signs.push('looked'),
      beatDuring: async <T>(work: () => Promise<T>): Promise<T> => {
        signs.push('began')
        return await work().finally(() => signs.push('ended'))
      },
    }
    const controller = new AbortController()
    const { signal } = controller
    let failures = 0
    const logger: Logger = {
      ...silentLogger,
      error: () => {
        failures += 1
        if (failures === 3) controller.abort(new Error('stopped'))
      },
    }
    const broken = {
      ...store,
      ticks: {
        ...store.ticks,
        once: () => Promise.reject(new LakeError('RUNSTORE_UNAVAILABLE', 'nobody answers')),
      },
    }
    const clock = { now: () => Date.now(), sleep: async () => undefined }
    const context = await batchContextOf(platform)

    await expect(
      runBatchSchedule(context, broken, { cron, signal, logger, clock, heartbeat }),
    ).rejects.toThrow('stopped')
    expect(signs).toEqual([])

    await schedule(down, heartbeat)
    expect(signs).toEqual(['looked', 'began', 'ended', 'looked', 'looked'])
  })

  it('makes at the next start what was stopped while it waited for another batch', async () => {
    await store.leases.withLease(batchDag, async () => {
      const controller = new AbortController()
      const logger: Logger = { ...silentLogger, info: () => controller.abort(new Error('stopped')) }
      const { signal } = controller
      const scheduled = runBatchSchedule(await batchContextOf(platform), store, { cron, signal, logger })
      await expect(scheduled).rejects.toThrow('stopped')
    })
    expect(await states()).toEqual([])

    await schedule(down)

    expect(await states()).toEqual(['failed'])
  })
})
