/** How bronze records what of the log it holds: a `txn` for each partition, whose version is the next offset. */
import { formatJson, type JsonValue, parseJson } from '../../lib/base/json.ts'
import type { AddFile, CommitInfo, Snapshot } from '../../lib/delta/index.ts'

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

/** What a commit, or all of them, have landed: by the version of each application. */
export function landedBy(transactions: Readonly<Record<string, number>>): readonly LandedPartition[] {
  return Object.entries(transactions).flatMap(([id, next]) => {
    const { clusterId, topic, partition } = application.exec(id)?.groups ?? {}
    if (clusterId === undefined || topic === undefined) return []
    return [{ clusterId, topic, partition: Number(partition), next: BigInt(next) }]
  })
}

/** Of every log that was landed, by its cluster, topic and number. */
export function landedPartitions({ transactions }: Snapshot): readonly LandedPartition[] {
  return landedBy(transactions)
}

/** Parameters of a commit that moves the offsets behind what the log has lost for good. */
export function skippedParameters(ranges: readonly SkippedRange[]): Readonly<Record<string, string>> {
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

/** Files of bronze that may hold a message with this offset, by their statistics. */
export function filesThatMayHold(snapshot: Snapshot, offset: bigint): readonly AddFile[] {
  return snapshot
    .bounds('kafka_offset')
    .filter(
      (bounds) => bounds.kind === 'unknown' || (BigInt(bounds.min) <= offset && offset <= BigInt(bounds.max)),
    )
    .map(({ file }) => file)
}
