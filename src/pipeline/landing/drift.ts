/** Drift: which fields the events have had that the platform does not know, by what the commits of landing say. */
import { messageOf } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { type JsonValue, parseJson } from '../../lib/base/json.ts'
import { committedMs, type DeltaTable } from '../../lib/delta/index.ts'
import { type EventLog, offset } from '../../lib/eventlog/eventlog.ts'
import { type UnknownField, unknownFieldsIn } from '../model/unknown-fields.ts'

/** The most frequent first. Counts are exact: each commit names those of its own events, once. */
export async function readDrift(
  events: DeltaTable,
  { sinceMs, signal }: IoOptions & { readonly sinceMs: number },
): Promise<readonly UnknownField[]> {
  const found = new Map<string, UnknownField>()
  const snapshot = await events.snapshot({ signal })
  for await (const commit of snapshot.commits({ signal })) {
    const atMs = committedMs(commit.info)
    if (atMs !== undefined && atMs < sinceMs) break
    for (const field of unknownFieldsIn(commit.info)) {
      const key = JSON.stringify([field.field, field.type])
      const known = found.get(key)
      found.set(key, known === undefined ? field : joined(known, field))
    }
  }
  return [...found.values()].sort((a, b) => b.count - a.count || (a.field < b.field ? -1 : 1))
}

/** The sample of the newest. */
function joined(a: UnknownField, b: UnknownField): UnknownField {
  const newest = a.lastMs >= b.lastMs ? a : b
  return {
    ...newest,
    count: a.count + b.count,
    firstMs: Math.min(a.firstMs, b.firstMs),
  }
}

/** What stands in the field of the sample; a text if the log cannot say, such as where retention has taken it. */
export async function sampleOf(
  log: EventLog,
  { field, partition, offset: at }: UnknownField,
  { signal }: IoOptions = {},
): Promise<{ readonly value: JsonValue } | { readonly problem: string }> {
  try {
    const message = await log.readAt(partition, offset(at), { signal })
    if (message?.value == null) return { problem: 'no longer in the log' }
    const event = parseJson(Buffer.from(message.value).toString(), 'event')
    const value = typeof event === 'object' && event !== null ? Object(event)[field] : undefined
    return value === undefined ? { problem: 'another message is there now' } : { value }
  } catch (error) {
    signal?.throwIfAborted()
    return { problem: messageOf(error) }
  }
}
