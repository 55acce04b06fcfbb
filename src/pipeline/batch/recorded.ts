/** A batch as a run of the run store: under the lease that lets one batch run at a time, recorded as it goes. */
import type { IoOptions } from '../../lib/base/io.ts'
import { scopedLogger } from '../../lib/base/log-scope.ts'
import type { ExecutionEvent } from '../../lib/dag/execute.ts'
import type { RunOutcome } from '../../lib/dag/node.ts'
import type { RunRecorder } from '../../lib/dag/recorder.ts'
import { withRun } from '../../lib/runs/control/with-run.ts'
import type { LeaseHolder } from '../../lib/runs/leases.ts'
import type { ScheduledTick, Trigger } from '../../lib/runs/run.ts'
import type { RunStore } from '../../lib/runs/run-store.ts'
import { withLineage } from '../lineage/recording.ts'
import { codeVersion } from './again/code-version.ts'
import { type BatchContext, runBatch } from './batch.ts'
import { batchDag } from './dag-name.ts'
import type { Scope } from './days.ts'
import { auditedStateIn } from './settled.ts'

export interface RecordedBatchOptions extends IoOptions {
  readonly scope?: Scope
  readonly tasks?: readonly string[]
  readonly trigger: Trigger
  readonly tick?: ScheduledTick
  /** The backfill that it is a part of: every other run that waits goes first. */
  readonly backfill?: number
  readonly parallel?: number
  /** Of a retry: the first run of this work. */
  readonly firstRun?: number
  /** Told at once for each batch that is waited for, and again when its run has an id. */
  readonly onWait?: (holder: LeaseHolder) => void
  readonly onEvent?: (event: ExecutionEvent) => void
}

const told = (recorder: RunRecorder, { lineage }: Pick<BatchContext, 'lineage'>): RunRecorder =>
  lineage === undefined ? recorder : withLineage(recorder, batchDag, lineage)

/** Waits for a batch that is under way; closes as abandoned what a killed process left running. */
export async function runRecordedBatch(
  context: BatchContext,
  store: RunStore,
  options: RecordedBatchOptions,
): Promise<RunOutcome> {
  const {
    scope = { kind: 'changed' },
    tasks = [],
    trigger,
    tick,
    firstRun,
    onWait,
    onEvent,
    signal,
    backfill,
    parallel,
  } = options
  const request = {
    dag: batchDag,
    trigger,
    code: codeVersion(context.selectOf),
    parameters: { scope: { ...scope }, tasks: [...tasks], ...(backfill !== undefined && { backfill }) },
    ...(tick && { tick }),
    ...(firstRun !== undefined && { firstRun }),
  }
  return withRun(
    store,
    request,
    ({ lease, signal: held, recorder }) =>
      runBatch(
        {
          ...context,
          releases: store.releases,
          lease,
          candidates: store.candidates,
          checks: store.checks,
          ledger: async () => store.ledger,
          auditedState: (asked) => auditedStateIn(store.runs, asked),
          logs: store.logs.attempts,
          ...(context.logger && { logger: scopedLogger(context.logger) }),
        },
        {
          scope,
          tasks,
          signal: held,
          recorder: told(recorder(), context),
          ...(parallel !== undefined && { parallel }),
          ...(onEvent && { onEvent }),
        },
      ),
    { signal, yields: backfill !== undefined, ...(onWait && { onWait }) },
  )
}
