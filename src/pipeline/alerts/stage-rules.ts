/** Stages that have stopped, hang or fall behind, and bronze that gets no newer. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../lib/base/errors.ts'
import { namesIn } from '../../lib/base/files/folders.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { offset } from '../../lib/eventlog/eventlog.ts'
import type { Alert } from '../../lib/runs/alerts/alert-book.ts'
import { landedPartitions } from '../model/landed.ts'
import type { Platform } from '../platform/compose.ts'
import { readStreamStatus } from '../platform/stream-status.ts'
import type { FailedStage } from '../platform/supervisor.ts'
import { realtimeTableNames } from '../serving/tables.ts'
import type { HintOf } from './store-rules.ts'

/** Longer than the longest that a stage which works touches its file apart. */
const quietMs = 5 * 60_000

const commands: Readonly<Record<string, string>> = {
  landing: 'lake land',
  realtime: 'lake realtime',
  producer: 'lake produce',
  scheduler: 'lake schedule',
}

/** Stages of this process that ended by a failure. */
export function stoppedStages(stages: readonly FailedStage[], hintOf: HintOf): readonly Alert[] {
  return stages.map(({ stage, stoppedMs, error }) => ({
    key: `stage/${stage}`,
    summary: `The stage ${stage} has stopped`,
    problem: `${new Date(stoppedMs).toISOString()}: ${messageOf(error)}`,
    next: hintOf(error),
  }))
}

/** Streaming stages on whichever machine, by what they recorded of themselves; and this machine's scheduler, by its file. */
export async function troubledStages(
  platform: Platform,
  { hintOf, signal }: IoOptions & { readonly hintOf: HintOf },
): Promise<readonly Alert[]> {
  const { stages } = await readStreamStatus(await platform.runs(), { signal })
  const alerts = new Map<string, Alert>()
  for (const { stage, state, host, pid, heardMs, reading } of stages) {
    if (!['stuck', 'gone', 'failed'].includes(state) || alerts.has(stage)) continue
    const problem = state === 'failed' ? reading?.problem : undefined
    alerts.set(stage, {
      key: `stage/${stage}`,
      summary:
        state === 'failed' ? `The stage ${stage} has stopped` : `The stage ${stage} has stopped or hangs`,
      problem:
        problem?.message ??
        `Process ${pid} on ${host} was last heard of at ${new Date(heardMs).toISOString()}.`,
      next: problem
        ? hintOf(problem)
        : `\`${commands[stage] ?? 'lake stream status'}\` goes on where it was; its log says why it stopped.`,
    })
  }
  return [...alerts.values(), ...(await quietScheduler(platform))]
}

/** Its file is gone once it has ended in order. */
async function quietScheduler({ config, clock }: Platform): Promise<readonly Alert[]> {
  const folder = join(config.home, 'heartbeat')
  let newestMs = 0
  for (const name of await namesIn(folder)) {
    if (!name.startsWith('scheduler.')) continue
    const { mtimeMs } = await stat(join(folder, name)).catch(() => ({ mtimeMs: 0 }))
    newestMs = Math.max(newestMs, mtimeMs)
  }
  if (newestMs === 0 || clock.now() - newestMs <= quietMs) return []
  return [
    {
      key: 'stage/scheduler',
      summary: 'The stage scheduler has stopped or hangs',
      problem: `It last got on at ${new Date(newestMs).toISOString()}.`,
      next: `\`${commands['scheduler']}\` goes on where it was; its log says why it stopped.`,
    },
  ]
}

/** Messages that wait for landing longer than is allowed. */
export async function laggingLanding(platform: Platform, { signal }: IoOptions): Promise<readonly Alert[]> {
  const table = await platform.table('bronze/events')
  if (!(await table.exists({ signal }))) return []
  const log = await platform.log()
  const clusterId = await log.clusterId({ signal })
  const next = new Map(
    landedPartitions(await table.snapshot({ signal }))
      .filter((landed) => landed.clusterId === clusterId && landed.topic === log.topic)
      .map(({ partition, next: at }) => [partition, at] as const),
  )
  return waiting(platform, { stage: 'landing', next, signal })
}

/** An embedded ClickHouse is asked only where the stages run in this process: asking would start it, and keep it up. */
export async function laggingRealtime(
  platform: Platform,
  { hasStages, signal }: IoOptions & { readonly hasStages: boolean },
): Promise<readonly Alert[]> {
  if (platform.config.clickhouse === undefined && !hasStages) return []
  const log = await platform.log()
  const clickhouse = await platform.clickhouse()
  const selects = realtimeTableNames.map(
    (table) =>
      `SELECT kafka_partition AS p, max(offset_to) AS next FROM realtime.${table} WHERE log_id = {log:String} GROUP BY p`,
  )
  const rows = await clickhouse.query<{ readonly p: number; readonly next: string }>(
    `SELECT p, toString(min(next)) AS next FROM (${selects.join(' UNION ALL ')}) GROUP BY p`,
    { params: { log: `${await log.clusterId({ signal })}/${log.topic}` }, signal },
  )
  return waiting(platform, {
    stage: 'realtime',
    next: new Map(rows.map((row) => [Number(row.p), BigInt(row.next)])),
    signal,
  })
}

/** A stage that was never started is not behind. */
async function waiting(
  platform: Platform,
  { stage, next, signal }: IoOptions & { readonly stage: string; readonly next: ReadonlyMap<number, bigint> },
): Promise<readonly Alert[]> {
  const log = await platform.log()
  const { lagMs } = platform.config.alerts
  let messages = 0n
  let longestMs = 0
  for (const { partition, start, end } of next.size === 0 ? [] : await log.partitions({ signal })) {
    const at = next.get(partition) ?? start
    if (at >= end) continue
    messages += end - at
    const message = await log.readAt(partition, offset(at), { signal })
    if (message !== undefined) longestMs = Math.max(longestMs, platform.clock.now() - message.timestampMs)
  }
  if (longestMs <= lagMs) return []
  return [
    {
      key: `lag/${stage}`,
      summary: `The stage ${stage} is ${Math.round(longestMs / 1000)} s behind`,
      problem: `${messages} messages of topic ${log.topic} wait; the oldest has waited for ${Math.round(longestMs / 1000)} s.`,
      next: `See whether \`${commands[stage]}\` runs, and what its log says; one more of it shares the partitions.`,
    },
  ]
}

/** No new version of bronze for longer than was declared. */
export async function staleBronze(platform: Platform, { signal }: IoOptions): Promise<readonly Alert[]> {
  const { staleMs } = platform.config.alerts
  const table = await platform.table('bronze/events')
  if (staleMs === undefined || !(await table.exists({ signal }))) return []
  let committedMs: number | undefined
  for await (const { timestampMs } of table.history({ signal })) {
    committedMs = timestampMs
    break
  }
  if (committedMs === undefined || platform.clock.now() - committedMs <= staleMs) return []
  return [
    {
      key: 'stale/bronze',
      summary: 'bronze/events is stale',
      problem: `Its newest version is of ${new Date(committedMs).toISOString()}: nothing new has landed since.`,
      next: 'See whether events come (`lake doctor` counts what the log holds), and whether `lake land` runs.',
    },
  ]
}
