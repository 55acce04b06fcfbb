/**
 * The history that an empty lake gets, once: what is to be made is written down before the first message, and
 * who finds it unfinished sends what is missing, known by the ids of its events.
 */
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { EventLog, Message } from '../../lib/eventlog/eventlog.ts'
import { offset } from '../../lib/eventlog/eventlog.ts'
import { consumerGroups } from '../streaming/consumer-groups.ts'
import type { History } from './history.ts'
import { type EventsReport, type ProduceIo, produce } from './produce.ts'
import type { PlannedHistory, ProducerState } from './producer-state.ts'
import type { MessageSink } from './sink.ts'

export interface FirstHistoryRequest {
  readonly log: EventLog
  readonly state: ProducerState
  /** What is begun, where there is nothing yet. */
  readonly history: History
  /** Whether the lake holds nothing, so that a history may be begun. */
  readonly isEmpty: boolean
  /** Ids of events of these days that are in the lake: asked for where the log no longer holds its beginning. */
  readonly landedIds: (fromMs: number, toMs: number, options: IoOptions) => Promise<Iterable<string>>
}

/**
 * @returns `undefined` when there was no history to make. When stopped, the rest is made by the next call.
 * @throws what `produce` throws.
 */
export async function makeFirstHistory(
  request: FirstHistoryRequest,
  io: ProduceIo = {},
): Promise<EventsReport | undefined> {
  const { log, state, isEmpty } = request
  const { signal } = io
  const place = `${await log.clusterId({ signal })}/${log.topic}`
  const begun = state.history?.log === place ? state.history : undefined
  if (begun === undefined && !isEmpty) return undefined
  const history = begun ?? planned(request, place)
  const held = begun === undefined ? new Set<string>() : await heldIds(request, history, { signal })
  if (begun === undefined) await state.begin(history)
  const { seed, users, log: _, ...days } = history
  const report = await produce(
    state.through(without(held, log)),
    { seed, users, plan: { kind: 'history', ...days } },
    io,
  )
  if (report.end === 'complete') await state.end()
  return report
}

function planned({ state, history }: FirstHistoryRequest, log: string): PlannedHistory {
  return { log, seed: history.untilMs % 2 ** 32, users: state.users, ...history }
}

function without(held: ReadonlySet<string>, sink: MessageSink): MessageSink {
  if (held.size === 0) return sink
  return {
    append: async (messages, options) => {
      const missing = messages.filter(({ value }) => !held.has(idOf(value) ?? ''))
      if (missing.length > 0) await sink.append(missing, options)
    },
  }
}

/** In the log, and where retention has taken its beginning, in the lake. */
async function heldIds(
  { log, landedIds }: FirstHistoryRequest,
  { days, untilMs }: PlannedHistory,
  { signal }: IoOptions,
): Promise<ReadonlySet<string>> {
  const held = new Set<string>()
  for await (const { value } of messagesOf(log, { signal })) {
    const id = idOf(value)
    if (id !== undefined) held.add(id)
  }
  if ((await log.partitions({ signal })).some(({ start }) => start > 0n)) {
    for (const id of await landedIds(untilMs - days * 86_400_000, untilMs, { signal })) held.add(id)
  }
  return held
}

/** All that the log holds now. */
async function* messagesOf(log: EventLog, { signal }: IoOptions): AsyncGenerator<Message> {
  const ranges = await log.partitions({ signal })
  const open = new Map(
    ranges.filter(({ start, end }) => end > start).map((range) => [range.partition, range.end]),
  )
  if (open.size === 0) return
  const starts = new Map(ranges.map(({ partition, start }) => [partition, start]))
  const stream = log.consume({
    group: consumerGroups.firstHistory,
    membership: 'alone',
    positions: async (partitions) =>
      new Map(partitions.map((each) => [each, starts.get(each) ?? offset(0n)])),
    signal,
  })
  for await (const event of stream) {
    if (event.kind !== 'fetched') continue
    const { partition, messages, next } = event.fetch
    yield* messages
    if (next >= (open.get(partition) ?? next)) open.delete(partition)
    if (open.size === 0) return
  }
  throw new LakeError('BUG', `Log ${log.topic}: ended before all of it was read`)
}

function idOf(value: Uint8Array | null): string | undefined {
  try {
    const event: unknown = JSON.parse(Buffer.from(value ?? []).toString())
    if (typeof event !== 'object' || event === null || !('event_id' in event)) return undefined
    return typeof event.event_id === 'string' ? event.event_id : undefined
  } catch {
    // Not ours: nothing that we send is broken.
    return undefined
  }
}
