/** `lake stream drift`: fields of events that the platform does not know. */
import { formatJson } from '../../lib/base/json.ts'
import { readDrift, sampleOf } from '../../pipeline/landing/drift.ts'
import { locateTable } from '../../pipeline/query/locate.ts'
import type { CommandLine } from '../command-line.ts'
import { drawTable } from '../output/table-text.ts'

export interface DriftFlags {
  readonly since?: (nowMs: number) => number
}

const dayMs = 86_400_000
/** A read of one message of Kafka takes a second. */
const sampled = 20

export async function showDrift({ since }: DriftFlags, cli: CommandLine): Promise<void> {
  const { platform, signal } = cli
  const nowMs = platform.clock.now()
  const sinceMs = since?.(nowMs) ?? nowMs - dayMs
  const events = await locateTable(platform, 'bronze/events', { signal })
  const fields = await readDrift(events, { sinceMs, signal })
  const log = fields.length === 0 ? undefined : await platform.log()
  const shown: object[] = []
  const rows: unknown[][] = []
  for (const [at, each] of fields.entries()) {
    const { field, type, count, firstMs, lastMs, partition, offset } = each
    const sample = log !== undefined && at < sampled ? await sampleOf(log, each, { signal }) : undefined
    const times = { first: new Date(firstMs).toISOString(), last: new Date(lastMs).toISOString() }
    shown.push({ field, type, count, ...times, sample: { partition, offset, ...sample } })
    const text =
      sample === undefined ? '' : 'value' in sample ? formatJson(sample.value) : `(${sample.problem})`
    rows.push([field, type, count, times.first, times.last, `${partition}/${offset}`, text])
  }
  const from = new Date(sinceMs).toISOString()
  await cli.result({ since: from, fields: shown }, () =>
    rows.length === 0
      ? `no event since ${from} had a field that is not known`
      : drawTable(['field', 'type', 'events', 'first', 'last', 'sample at', 'sample'], rows),
  )
}
