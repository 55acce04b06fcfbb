/**
 * What the platform's figures must be, told by the log alone and by other code: JSON.parse, plain loops, and
 * ClickHouse's own reader of Delta tables in a process of its own.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { EventLog } from '../lib/eventlog/eventlog.ts'
import { offset } from '../lib/eventlog/eventlog.ts'

export interface LoggedEvent {
  readonly minute: string
  readonly eventType: string
  readonly source: string
  readonly page: string
  readonly isLate: boolean
}

export interface Replay {
  /** `partition/offset` of every message. */
  readonly places: readonly string[]
  readonly valid: readonly LoggedEvent[]
}

const minuteMs = 60_000
const types = new Set(['login', 'click', 'purchase', 'logout'])

/** Reads the log message by message, in the order of each partition. */
export async function replay(log: EventLog): Promise<Replay> {
  const places: string[] = []
  const valid: LoggedEvent[] = []
  const newest = new Map<number, number>()
  const ends = new Map((await log.partitions()).map(({ partition, end }) => [partition, end]))
  const reached = new Map([...ends].filter(([, end]) => end > 0n).map(([partition]) => [partition, 0n]))
  const stream = log.consume({
    group: 'oracle',
    membership: 'alone',
    positions: async (partitions) => new Map(partitions.map((partition) => [partition, offset(0n)])),
  })
  for await (const event of stream) {
    if (event.kind !== 'fetched') continue
    for (const message of event.fetch.messages) {
      const { partition } = message
      places.push(`${partition}/${message.offset}`)
      const found = eventIn(message.value, message.timestampMs)
      if (found === undefined) continue
      const newestMs = newest.get(partition) ?? Number.NEGATIVE_INFINITY
      const windowMs = Math.floor(found.timeMs / minuteMs) * minuteMs
      valid.push({
        minute: `${new Date(windowMs).toISOString().slice(0, 19)}Z`,
        ...found.fields,
        isLate: windowMs + minuteMs <= newestMs - 2 * minuteMs,
      })
      newest.set(partition, Math.max(newestMs, found.timeMs))
    }
    reached.set(event.fetch.partition, event.fetch.next)
    if ([...ends].every(([partition, end]) => (reached.get(partition) ?? 0n) >= end)) break
  }
  return { places: places.sort(), valid }
}

function eventIn(
  value: Uint8Array | null,
  appendedMs: number,
): { readonly timeMs: number; readonly fields: Omit<LoggedEvent, 'minute' | 'isLate'> } | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value ?? new Uint8Array())
    const event = JSON.parse(text) as Readonly<Record<string, unknown>>
    const { event_id: id, user_id: user, event_type: type, page, timestamp, source } = event
    const timeMs = typeof timestamp === 'string' ? Date.parse(timestamp) : Number.NaN
    const isValid =
      typeof id === 'string' &&
      id !== '' &&
      Number.isSafeInteger(user) &&
      Number(user) > 0 &&
      types.has(String(type)) &&
      typeof page === 'string' &&
      page !== '' &&
      (source === 'web' || source === 'mobile') &&
      timeMs >= 0 &&
      timeMs <= appendedMs + 5 * minuteMs
    return isValid
      ? { timeMs, fields: { eventType: String(type), source: String(source), page: String(page) } }
      : undefined
  } catch {
    return undefined
  }
}

/** Counts by key, without keys that count nothing. */
export function tally<T>(items: readonly T[], keyOf: (item: T) => string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const item of items) counts[keyOf(item)] = (counts[keyOf(item)] ?? 0) + 1
  return counts
}

const reader = `
const { query } = require('chdb')
process.stdout.write(String(query(process.argv[1], 'JSONEachRow')))
`

/** Rows of `select` over the Delta tables at these paths, by ClickHouse's own reader; each is `\${table}` in it. */
export async function readIndependently(
  paths: string | readonly string[],
  select: (...tables: string[]) => string,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const sql = select(...[paths].flat().map((path) => `deltaLakeLocal('${path}')`))
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', reader, sql], {
    cwd: '/',
    maxBuffer: 256 * 1024 * 1024,
    env: { ...process.env, NODE_PATH: `${import.meta.dirname}/../../node_modules` },
  })
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
}
