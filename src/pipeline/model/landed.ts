/** How bronze records what of the log it holds: a `txn` for each partition, whose version is the next offset. */
import type { Snapshot } from '../../lib/delta/index.ts'

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
