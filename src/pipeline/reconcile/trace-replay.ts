/** What a trace says of replays: that a rejected message was sent again, and what a message is a replay of. */
import type { IoOptions } from '../../lib/base/io.ts'
import type { ReplayedMessage } from '../../lib/runs/replay/replay-book.ts'
import type { Place } from './books.ts'
import type { TraceContext, TraceStep } from './trace.ts'

export interface TracedReplays {
  readonly steps: readonly TraceStep[]
  /** Where the message is now; absent if it was not replayed. */
  readonly next?: Place
}

/** Of a rejected message: its replay. */
export async function replaysOf(
  context: TraceContext,
  place: Place,
  landed: TraceStep,
  { signal }: IoOptions,
): Promise<TracedReplays> {
  const book = await context.replays?.()
  if (book === undefined) return { steps: [] }
  const { from } = await book.at(context.topic, place, { signal })
  // Two logs may have had this offset: the row of bronze says which one is traced.
  const appendedMs = Date.parse(String(landed.details['kafka_timestamp']))
  const replayed = from.find((each) => each.from.appendedMs === appendedMs)
  if (replayed === undefined) return { steps: [{ stage: 'replay', state: 'not replayed', details: {} }] }
  const details = await detailsOf(context, replayed, { signal })
  if (replayed.to === undefined) {
    const state = 'being replayed, or cut short: the next replay settles it'
    return { steps: [{ stage: 'replay', state, details }] }
  }
  const { partition, offset, appendedMs: atMs } = replayed.to
  return {
    steps: [
      {
        stage: 'replay',
        state: 'replayed',
        at: new Date(atMs).toISOString(),
        details: { ...details, partition, offset },
      },
    ],
    next: { partition, offset },
  }
}

/** Of any message: the rejected one that it is a replay of. */
export async function originOf(
  context: TraceContext,
  place: Place,
  { signal }: IoOptions,
): Promise<readonly TraceStep[]> {
  const book = await context.replays?.()
  const { to = [] } = (await book?.at(context.topic, place, { signal })) ?? {}
  const steps: TraceStep[] = []
  for (const replayed of to) {
    const { partition, offset } = replayed.from
    const details = { ...(await detailsOf(context, replayed, { signal })), partition, offset }
    steps.push({ stage: 'replay', state: 'a replay of a rejected message', details })
  }
  return steps
}

async function detailsOf(
  { replays }: TraceContext,
  { replay }: ReplayedMessage,
  { signal }: IoOptions,
): Promise<Readonly<Record<string, unknown>>> {
  const { actor, note } = (await (await replays?.())?.show(replay, { signal })) ?? {}
  return { replay, by: actor, why: note }
}
