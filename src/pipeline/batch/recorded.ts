/** A batch as a run of the run store: under the lease that lets one batch run at a time, recorded as it goes. */
import type { IoOptions } from '../../lib/base/io.ts'
import type { ExecutionEvent } from '../../lib/dag/execute.ts'
import type { RunOutcome } from '../../lib/dag/node.ts'
import type { LeaseHolder } from '../../lib/runs/leases.ts'
import type { ScheduledTick, Trigger } from '../../lib/runs/run.ts'
import type { RunStore } from '../../lib/runs/run-store.ts'
import { type BatchContext, runBatch } from './batch.ts'
import { batchDag } from './dag-name.ts'
import type { Scope } from './days.ts'
import { auditedStateIn } from './settled.ts'

export interface RecordedBatchOptions extends IoOptions {
  readonly scope?: Scope
  readonly tasks?: readonly string[]
  readonly trigger: Trigger
  readonly tick?: ScheduledTick
  /** Told at once for each batch that is waited for, and again when its run has an id. */
  readonly onWait?: (holder: LeaseHolder) => void
  readonly onEvent?: (event: ExecutionEvent) => void
}

/** Waits for a batch that is under way; closes as abandoned what a killed process left running. */
export async function runRecordedBatch(
  context: BatchContext,
  store: RunStore,
  { scope = { kind: 'changed' }, tasks = [], trigger, tick, onWait, onEvent, signal }: RecordedBatchOptions,
): Promise<RunOutcome> {
  await store.runs.closeOrphans({ signal })
  return store.leases.withLease(
    batchDag,
    ({ lease, signal: leased }) =>
      runBatch(
        {
          ...context,
          releases: store.releases,
          lease,
          candidates: store.candidates,
          checks: store.checks,
          ledger: async () => store.ledger,
          auditedState: (options) => auditedStateIn(store.runs, options),
        },
        {
          scope,
          tasks,
          signal: leased,
          recorder: store.runs.recorder({
            dag: batchDag,
            trigger,
            parameters: { scope: { ...scope }, tasks: [...tasks] },
            lease,
            ...(tick && { tick }),
          }),
          ...(onEvent && { onEvent }),
        },
      ),
    { wait: true, signal, ...(onWait && { onWait }) },
  )
}
