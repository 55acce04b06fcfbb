/**
 * What a lake gets so that there is something to see: on an empty one a history of events, and where no batch has
 * ended well yet, one batch over what the log holds. A history that was cut short is completed.
 */
import { join } from 'node:path'
import { allEnded } from '../../lib/base/all-ended.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { describeOwner } from '../../lib/runs/owner.ts'
import { endedRunStates } from '../../lib/runs/run.ts'
import { batchDag } from '../batch/dag-name.ts'
import { runRecordedBatch } from '../batch/recorded.ts'
import { makeFirstHistory } from '../producer/first-history.ts'
import { growingHistory } from '../producer/history.ts'
import { ProducerState } from '../producer/producer-state.ts'
import type { Platform } from './compose.ts'
import type { Progress } from './progress.ts'
import { batchContextOf, runLandingStage, runRealtimeStage } from './stages.ts'

export interface FirstLookOptions extends IoOptions {
  /** 0: no history is made. */
  readonly historyDays: number
  readonly onProgress: (progress: Progress) => void
}

/** In words, what there is to see at the end. */
export async function firstLook(platform: Platform, options: FirstLookOptions): Promise<string> {
  const { signal } = options
  if (options.historyDays > 0) await completeHistory(platform, options)
  signal?.throwIfAborted()
  const store = await platform.runs()
  const last = await store.runs.latest({ dag: batchDag, states: endedRunStates }, { signal })
  if (last?.state === 'succeeded' || last?.state === 'unchanged') return 'the last batch ended well'
  await readWholeLog(platform, options)
  signal?.throwIfAborted()
  return firstBatch(platform, options)
}

export async function openProducerState(platform: Platform): Promise<ProducerState> {
  return ProducerState.open(join(await platform.home(), 'producer.json'))
}

async function completeHistory(
  platform: Platform,
  { historyDays, onProgress, signal }: FirstLookOptions,
): Promise<void> {
  const log = await platform.log()
  const ranges = await log.partitions({ signal })
  const lastDay = Math.min(mostOfDay, Math.round(platform.config.eventsPerSecond * secondsOfDay))
  const isLogEmpty = ranges.every(({ end }) => end === 0n)
  await makeFirstHistory(
    {
      log,
      state: await openProducerState(platform),
      // Its last day at the rate of the live producer, so that the pictures go on without a step.
      history: growingHistory(historyDays, lastDay, platform.clock.now()),
      isEmpty: isLogEmpty && !(await (await platform.table('bronze/events')).exists({ signal })),
      landedIds: (fromMs, toMs, io) => landedIds(platform, fromMs, toMs, io),
    },
    {
      signal,
      clock: platform.clock,
      logger: platform.logger,
      onProgress: (done, total) =>
        onProgress({ step: 'Making a history of events', done, ...(total !== undefined && { total }) }),
    },
  )
}

const secondsOfDay = 86_400
/** Of one day: more would keep the first look waiting. */
const mostOfDay = 1_000_000

async function readWholeLog(platform: Platform, { onProgress, signal }: FirstLookOptions): Promise<void> {
  const ranges = await (await platform.log()).partitions({ signal })
  const total = Number(ranges.reduce((sum, { start, end }) => sum + end - start, 0n))
  await allEnded<unknown>([
    runLandingStage(platform, {
      drain: true,
      signal,
      onProgress: ({ events, rejected }) =>
        onProgress({ step: 'Landing events in bronze', done: events + rejected, total }),
    }),
    runRealtimeStage(platform, { drain: true, signal }),
  ])
}

async function firstBatch(platform: Platform, { onProgress, signal }: FirstLookOptions): Promise<string> {
  onProgress({ step: 'Making silver and gold' })
  const outcome = await runRecordedBatch(await batchContextOf(platform), await platform.runs(), {
    trigger: 'start',
    signal,
    onWait: ({ owner }) => onProgress({ step: `Waiting for a batch of ${describeOwner(owner)} to end` }),
  })
  if (outcome.kind === 'failed') {
    const failed = outcome.nodes.find(({ kind }) => kind === 'failed')
    platform.logger.error({ run: outcome.runId, task: failed?.node }, 'The first batch failed')
  }
  return `batch ${outcome.runId} ${outcome.kind}`
}

/** Ids of the events of these days that bronze holds. */
async function landedIds(
  platform: Platform,
  fromMs: number,
  toMs: number,
  { signal }: IoOptions,
): Promise<readonly string[]> {
  const events = await platform.table('bronze/events')
  if (!(await events.exists({ signal }))) return []
  const [from, to] = [fromMs, toMs].map((ms) => `date '${new Date(ms).toISOString().slice(0, 10)}'`)
  const snapshot = await events.snapshot({ signal })
  const duckdb = await platform.duckdb()
  const rows = await duckdb.use(async (session) => {
    const scan = await events.scan(session, snapshot, { signal })
    const select = `select event_id from (${scan}) where event_date between ${from} and ${to}`
    return await session.rows(select, { signal })
  })
  return rows.map((row) => String(row['event_id']))
}
