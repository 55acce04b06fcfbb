/** How bronze records what of the log it holds: a `txn` for each partition, whose version is the next offset. */
import { formatJson, type JsonValue, parseJson } from '../../lib/base/json.ts'
import type { CommitInfo, Snapshot } from '../../lib/delta/index.ts'
import type { OffsetRange } from '../streaming/offset-range.ts'

/** How far a partition of one log has been landed. */
export interface LandedPartition {
  readonly clusterId: string
  readonly topic: string
  readonly partition: number
  /** The offset after the last one that was landed. */
  readonly next: bigint
}

/** The application of a partition in the tables' `txn` actions. */
export function landingApplication(
  { clusterId, topic }: Pick<LandedPartition, 'clusterId' | 'topic'>,
  partition: number,
): string {
  return `landing/v1/${clusterId}/${topic}/${partition}`
}

const application = /^landing\/v1\/(?<clusterId>.+)\/(?<topic>[^/]+)\/(?<partition>\d+)$/

/** Of every log that was landed, by its cluster, topic and number. */
export function landedPartitions({ transactions }: Snapshot): readonly LandedPartition[] {
  return Object.entries(transactions).flatMap(([id, next]) => {
    const { clusterId, topic, partition } = application.exec(id)?.groups ?? {}
    if (clusterId === undefined || topic === undefined) return []
    return [{ clusterId, topic, partition: Number(partition), next: BigInt(next) }]
  })
}

/** Parameters of a commit that moves the offsets behind what the log has lost for good. */
export function skippedParameters(ranges: readonly OffsetRange[]): Readonly<Record<string, string>> {
  return { skipped: formatJson(ranges) }
}

/** The offsets that a commit has skipped, by partition; none for any other commit. */
export function skippedIn({ operationParameters }: CommitInfo): readonly SkippedRange[] {
  const skipped = operationParameters?.['skipped']
  if (typeof skipped !== 'string') return []
  const ranges = parseJson(skipped, 'skipped offsets of a commit')
  return Array.isArray(ranges) ? ranges.flatMap(skippedRange) : []
}

export interface SkippedRange {
  readonly partition: number
  readonly from: bigint
  /** One past the last. */
  readonly to: bigint
}

function skippedRange(value: JsonValue): readonly SkippedRange[] {
  if (typeof value !== 'object' || value === null || !('partition' in value)) return []
  const { partition, from, to } = value
  return [{ partition: Number(partition), from: BigInt(String(from)), to: BigInt(String(to)) }]
}
