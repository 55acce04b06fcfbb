/** What a stage that runs says of itself: written to the run store, shown by commands and the console, and scraped. */
import { z } from 'zod'
import type { JsonValue } from '../../lib/base/json.ts'

const count = z.number()
const time = z.number().nullable()

const partitionSchema = z.object({
  partition: z.number(),
  /** The next offset that the sink lacks. */
  next: count.nullable(),
  /** Where the log ends. */
  end: count.nullable(),
  /** `null`: not known, because the log did not answer, or nothing of the partition was written yet. */
  lagMessages: count.nullable(),
  /** For how long the oldest message that is not written has been in the log. */
  lagMs: count.nullable(),
  watermarkMs: time,
})
export type PartitionReading = z.infer<typeof partitionSchema>

export const readingSchema = z.object({
  state: z.enum(['running', 'retrying', 'paused', 'stopped', 'failed']),
  startedMs: z.number(),
  /** How long ago the log answered or the sink took a batch, or a pause began. */
  quietMs: z.number(),
  /** Over the last minute, or since the start. */
  messagesPerSecond: z.number(),
  /** Since the start, as all counts. */
  messages: count,
  events: count,
  rejected: count.nullable(),
  late: count.nullable(),
  partitions: z.array(partitionSchema),
  /** The oldest of the partitions. */
  watermarkMs: time,
  watermarkDelayMs: time,
  lastCommit: z.object({ atMs: z.number(), version: z.number().nullable() }).nullable(),
  inFlight: z.object({ messages: count, bytes: count }),
  residentBytes: count,
  failures: count,
  /** Why it retries, is paused or has failed. */
  problem: z.object({ code: z.string(), message: z.string() }).nullable(),
})
export type StageReading = z.infer<typeof readingSchema>

/** @returns `undefined` for what another release wrote in another form. */
export function parseReading(content: JsonValue): StageReading | undefined {
  const parsed = readingSchema.safeParse(content)
  return parsed.success ? parsed.data : undefined
}
