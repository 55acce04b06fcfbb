/** What a stage tells of its work while it runs. All of it returns at once, and throws nothing. */
import type { ConsumerEvent, Message, Positions } from '../../lib/eventlog/eventlog.ts'
import type { MicroBatch } from '../../lib/stream/micro-batch.ts'
import type { StageState } from '../../lib/stream/stage-state.ts'

/** What the sink made of a batch. */
export interface WrittenCounts {
  /** That are in the sink now. */
  readonly events: number
  readonly rejected?: number
  readonly late?: number
  /** The version of the table that the sink has made. */
  readonly version?: number
  /** Partition → the newest event time that was read from it. */
  readonly newestEventMs?: ReadonlyMap<number, number>
}

export interface StageObserver {
  /** Told before the work of the state begins. */
  entered(state: StageState): void
  /** The log answered. */
  received(event: ConsumerEvent): void
  /** Where the sink is, at an assignment; a partition without a position is read from its oldest message on. */
  startsAt(partitions: readonly number[], positions: Positions): void
  /** The sink has the batch. */
  wrote(batch: MicroBatch<Message>, counts: WrittenCounts): void
  /** What was read and is not written is read again. */
  dropped(): void
}
