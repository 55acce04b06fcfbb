/** A recorder that also tells an OpenLineage receiver of a run and of each attempt at its tasks. */
import type { NodeEnd, RecordedError, RunRecorder } from '../../lib/dag/recorder.ts'
import type { LineageClient } from '../../lib/lineage/lineage-client.ts'
import { type JobRun, type RunEventFacts, runEvent, runIdOf } from '../../lib/lineage/run-event.ts'
import type { LakeTable } from '../model/tables.ts'
import type { Config } from '../platform/config.ts'
import type { ColumnOrigins } from './column-lineage.ts'
import { datasetsOf, type TaskFacts } from './task-datasets.ts'

export interface Lineage {
  readonly client: LineageClient
  readonly config: Pick<Config, 'lakeUri' | 'clickhouse'>
  /** Of the jobs. */
  readonly namespace: string
  readonly origins: () => Promise<ReadonlyMap<LakeTable, ColumnOrigins>>
}

const eventTypes = {
  succeeded: 'COMPLETE',
  unchanged: 'COMPLETE',
  failed: 'FAIL',
  cancelled: 'ABORT',
} as const satisfies Record<string, RunEventFacts['type']>

/** What is recorded is recorded first, and is never held up or failed by what is told. */
export function withLineage(
  recorder: RunRecorder,
  dag: string,
  { client, config, namespace, origins }: Lineage,
): RunRecorder {
  const begun = new Map<string, JobRun>()
  let parent: JobRun = { runId: '', namespace, job: dag }
  const keyOf = ({ node, attempt }: Pick<NodeEnd, 'node' | 'attempt'>): string =>
    JSON.stringify([node, attempt])

  const ofTask = async (facts: RunEventFacts, node: string, of: TaskFacts): Promise<void> =>
    client.emit(runEvent({ ...facts, parent, ...datasetsOf(config, node, of, await origins()) }))

  return {
    async runStarted(start) {
      const id = await recorder.runStarted(start)
      parent = { ...parent, runId: runIdOf(namespace, dag, id, start.startedMs) }
      client.emit(runEvent({ ...parent, type: 'START', atMs: start.startedMs }))
      return id
    },
    async attemptStarted(start) {
      await recorder.attemptStarted(start)
      const { node, attempt, startedMs } = start
      const run = { runId: runIdOf(parent.runId, node, attempt), namespace, job: `${dag}.${node}` }
      begun.set(keyOf(start), run)
      await ofTask({ ...run, type: 'START', atMs: startedMs }, node, {})
    },
    async nodeEnded(end) {
      await recorder.nodeEnded(end)
      const run = begun.get(keyOf(end))
      const { state } = end
      // One that never began has nothing to end.
      if (run === undefined || state === 'skipped') return
      await ofTask({ ...run, ...endOf({ ...end, state }) }, end.node, end)
    },
    async runEnded(end) {
      await recorder.runEnded(end)
      client.emit(runEvent({ ...parent, ...endOf(end) }))
      await client.flush()
    },
  }
}

function endOf({
  state,
  endedMs,
  error,
}: {
  readonly state: keyof typeof eventTypes
  readonly endedMs: number
  readonly error?: RecordedError
}): Pick<RunEventFacts, 'type' | 'atMs' | 'error'> {
  return {
    type: eventTypes[state],
    atMs: endedMs,
    ...(error && { error: `${error.code}: ${error.message}` }),
  }
}
