/** A replay bound to the parts of a platform: recorded as a run, in tables below its temporary folder. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { IoOptions } from '../../lib/base/io.ts'
import { type ExecutionEvent, execute } from '../../lib/dag/execute.ts'
import { createGraph } from '../../lib/dag/graph.ts'
import type { DagNode, RunOutcome } from '../../lib/dag/node.ts'
import { plan } from '../../lib/dag/plan.ts'
import { withRun } from '../../lib/runs/control/with-run.ts'
import type { LeaseHolder } from '../../lib/runs/leases.ts'
import { codeVersion } from '../batch/again/code-version.ts'
import { planReplay, type ReplayedDay, replayDag, replayNodes } from '../batch/again/replay.ts'
import type { Platform } from './compose.ts'
import { batchContextOf } from './stages.ts'

export interface ReplayOptions extends IoOptions {
  readonly onWait?: (holder: LeaseHolder) => void
  readonly onEvent?: (event: ExecutionEvent) => void
}

export interface Replay {
  /** Of the replay itself, which is a run too; `undefined` if the run made nothing. */
  readonly outcome: RunOutcome | undefined
  readonly days: readonly ReplayedDay[]
  /** The code of the run, where it is recorded, and the code here. */
  readonly code: { readonly recorded: string | undefined; readonly current: string }
}

/** @throws LakeError as `planReplay`, and `RUN_MISSING`. What differs is in `days`, and makes the outcome `failed`. */
export async function replayRun(
  platform: Platform,
  id: number,
  { onWait, onEvent, signal }: ReplayOptions = {},
): Promise<Replay> {
  const store = await platform.runs()
  const run = await store.runs.show(id, { signal })
  const context = await batchContextOf(platform)
  const tasks = await planReplay(context, run, { signal })
  const code = { recorded: run.code, current: codeVersion(context.selectOf) }
  if (tasks.length === 0) return { outcome: undefined, days: [], code }
  const folder = join(platform.temporaryDirectory, `replay-${randomUUID()}`)
  const days: ReplayedDay[] = []
  const nodes = replayNodes(
    context,
    run,
    tasks,
    (name) => platform.tableAt(join(folder, name)),
    (found) => days.push(...found),
  )
  const graph = createGraph<DagNode>(replayDag, nodes)
  const outcome = await withRun(
    store,
    { dag: replayDag, trigger: 'replay', firstRun: id, code: code.current, parameters: { run: id } },
    ({ signal: held, recorder }) =>
      execute(graph, plan(graph), {
        recorder: recorder(),
        logs: store.logs.attempts,
        clock: platform.clock,
        // Day by day what is compared is held: one task at a time.
        concurrency: 1,
        signal: held,
        ...(onEvent && { onEvent }),
      }),
    { signal, ...(onWait && { onWait }) },
  )
  return { outcome, days, code }
}
