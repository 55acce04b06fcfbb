/** The streaming stages in the words of people. */
import { hintOf } from '../../hints/hints.ts'
import type { StageStatus, StreamStatus } from '../../pipeline/platform/stream-status.ts'
import type { PartitionReading } from '../../pipeline/streaming/stage-reading.ts'
import { printable } from '../output/printable.ts'
import { drawTable, type TableLook } from '../output/table-text.ts'

export function statusText({ stages, pauses }: StreamStatus, look: TableLook): string {
  const parts: string[] = []
  if (stages.length === 0)
    parts.push('no stage has run yet: `lake up`, or `lake land` and `lake realtime`, start them')
  else {
    parts.push(drawTable(stageColumns, stages.map(stageRow), { ...look, nullText: '–' }))
    const partitions = stages.flatMap(partitionRows)
    if (partitions.length > 0) {
      parts.push(drawTable(partitionColumns, partitions, { ...look, nullText: '–' }))
    }
  }
  const isShown = (stage: string): boolean =>
    stages.some((each) => each.stage === stage && each.state === 'paused')
  const words = [
    ...stages.flatMap(problemLines),
    ...pauses
      .filter(({ stage }) => !isShown(stage))
      .map(
        ({ stage, pausedMs, reason }) =>
          `${stage} is paused since ${new Date(pausedMs).toISOString()}, and no process of it rests yet: ${printable(reason)}`,
      ),
  ]
  if (words.length > 0) parts.push(words.join('\n'))
  return parts.join('\n')
}

const stageColumns = [
  'stage',
  'state',
  'messages/s',
  'lag',
  'lag in time',
  'watermark behind',
  'last commit',
  'rejected',
  'late',
  'in flight',
  'memory',
  'process',
]

function stageRow({ stage, state, host, pid, silentMs, reading }: StageStatus): readonly unknown[] {
  const process = `${pid} on ${host}`
  if (reading === undefined) return [stage, state, ...Array.from({ length: 9 }, () => null), process]
  const { lastCommit, inFlight } = reading
  const hasEnded = ['stopped', 'failed', 'gone'].includes(state)
  const nowMs = Date.now()
  const committed =
    lastCommit &&
    `${durationText(Math.max(0, nowMs - lastCommit.atMs))} ago${lastCommit.version === null ? '' : `, version ${lastCommit.version}`}`
  return [
    stage,
    isSaid(state, silentMs) ? `${state}, last heard ${durationText(silentMs)} ago` : state,
    hasEnded ? null : reading.messagesPerSecond,
    total(reading.partitions.map(({ lagMessages }) => lagMessages)),
    durationOrNull(longest(reading.partitions.map(({ lagMs }) => lagMs))),
    durationOrNull(reading.watermarkDelayMs),
    committed,
    reading.rejected,
    reading.late,
    hasEnded ? null : `${inFlight.messages} (${bytesText(inFlight.bytes)})`,
    hasEnded ? null : bytesText(reading.residentBytes),
    process,
  ]
}

const isSaid = (state: string, silentMs: number): boolean =>
  ['stuck', 'gone'].includes(state) || (state !== 'stopped' && state !== 'failed' && silentMs > 10_000)

const partitionColumns = [
  'stage',
  'partition',
  'next offset',
  'end of log',
  'lag',
  'lag in time',
  'watermark',
]

function partitionRows({ stage, reading }: StageStatus): readonly (readonly unknown[])[] {
  return (reading?.partitions ?? []).map((each: PartitionReading) => [
    stage,
    each.partition,
    each.next,
    each.end,
    each.lagMessages,
    durationOrNull(each.lagMs),
    each.watermarkMs === null ? null : new Date(each.watermarkMs).toISOString(),
  ])
}

function problemLines({ stage, state, pid, host, reading }: StageStatus): readonly string[] {
  const problem = reading?.problem
  if (state === 'stuck' || state === 'gone') {
    const why = state === 'gone' ? 'its process has ended without a word' : 'it does not get on'
    return [
      `${stage} (${pid} on ${host}): ${why}`,
      `  → Start it again: it goes on where it was. Its log says what led to it.`,
    ]
  }
  if (problem === null || problem === undefined) return []
  return [`${stage} (${pid} on ${host}): ${printable(problem.message)}`, `  → ${hintOf(problem, { stage })}`]
}

/** Of unknown parts the sum is not known. */
function total(parts: readonly (number | null)[]): number | null {
  return parts.length === 0 || parts.includes(null)
    ? null
    : parts.reduce<number>((sum, n) => sum + (n ?? 0), 0)
}

function longest(parts: readonly (number | null)[]): number | null {
  return parts.length === 0 || parts.includes(null) ? null : Math.max(...parts.map((part) => part ?? 0))
}

const durationOrNull = (ms: number | null): string | null => (ms === null ? null : durationText(ms))

/** `0.4 s`, `12 s`, `3 min`, `2 h`, `5 days`. */
export function durationText(ms: number): string {
  const seconds = ms / 1000
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} days`
}

/** `12.3 MB`. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB']
  let at = 0
  let value = bytes
  for (; value >= 1000 && at < units.length - 1; at++) value /= 1000
  return `${at === 0 || value >= 100 ? Math.round(value) : Math.round(value * 10) / 10} ${units[at]}`
}
