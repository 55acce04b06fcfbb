/** What a run that has not ended well has to do again: the same days and parameters, all of its tasks or those that failed. */
import { z } from 'zod'
import { LakeError } from '../../../lib/base/errors.ts'
import type { RunState, RunWithAttempts } from '../../../lib/runs/run.ts'
import { batchDag } from '../dag-name.ts'
import type { Scope } from '../days.ts'

/** The states of runs that can be retried. */
export const retriedStates: readonly RunState[] = ['failed', 'cancelled', 'abandoned']

export interface Retry {
  /** The run that is repeated, and the first one of its work. */
  readonly run: number
  readonly firstRun: number
  readonly scope: Scope
  /** Empty: all. */
  readonly tasks: readonly string[]
}

const day = z.string()
const recordedParameters = z.object({
  scope: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('changed') }),
    z.object({ kind: z.literal('full') }),
    z.object({ kind: z.literal('range'), from: day, to: day }),
    z.object({ kind: z.literal('days'), days: z.array(day) }),
  ]),
  tasks: z.array(z.string()),
})

/** @throws LakeError `USAGE` for a run that is none of the batch, or has nothing to retry. */
export function planRetry(
  run: RunWithAttempts,
  { onlyFailed = false }: { readonly onlyFailed?: boolean } = {},
): Retry {
  const { id, dag, state, firstRun = id } = run
  if (dag !== batchDag) {
    throw new LakeError('USAGE', `Run ${id}: expected a run of ${batchDag}, got one of ${dag}`, {
      details: { fault: 'not-a-batch', runId: id },
    })
  }
  if (!retriedStates.includes(state)) {
    throw new LakeError(
      'USAGE',
      `Run ${id}: expected one that has not ended well, got one that is ${state}`,
      {
        details: { fault: 'nothing-to-retry', runId: id, state },
      },
    )
  }
  const { scope, tasks } = parametersOf(run)
  if (!onlyFailed) return { run: id, firstRun, scope, tasks }
  const open = openTasks(run, tasks)
  // A run that did all of its tasks, or planned none, has all of them to do.
  return { run: id, firstRun, scope, tasks: open.length === 0 ? tasks : open }
}

/** One retry for runs that would do the same: the newest of them. Oldest work first. */
export function distinctRetries(retries: readonly Retry[]): readonly Retry[] {
  const newest = new Map<string, Retry>()
  for (const retry of [...retries].sort((a, b) => a.run - b.run)) {
    newest.set(JSON.stringify([retry.scope, retry.tasks]), retry)
  }
  return [...newest.values()].sort((a, b) => a.run - b.run)
}

/** Whether a later run has done this work and ended well: there is nothing left to retry then. */
export function isDoneBy(retry: Retry, later: RunWithAttempts): boolean {
  const hasEndedWell = later.state === 'succeeded' || later.state === 'unchanged'
  if (later.id <= retry.run || later.dag !== batchDag || !hasEndedWell) return false
  const found = recordedParameters.safeParse(later.parameters).data
  if (found === undefined || JSON.stringify(found.scope) !== JSON.stringify(retry.scope)) return false
  if (found.tasks.length === 0) return true
  return retry.tasks.length > 0 && retry.tasks.every((task) => found.tasks.includes(task))
}

function parametersOf({ id, parameters }: RunWithAttempts): z.infer<typeof recordedParameters> {
  const found = recordedParameters.safeParse(parameters)
  if (found.success) return found.data
  throw new LakeError('USAGE', `Run ${id}: what it was asked for is not recorded`, {
    details: { fault: 'nothing-to-retry', runId: id },
  })
}

/** Those that did not end well, and those that were skipped for their sake: but none that the run was not asked for. */
function openTasks({ attempts }: RunWithAttempts, asked: readonly string[]): readonly string[] {
  const last = new Map(attempts.map(({ node, state }) => [node, state]))
  return [...last]
    .filter(([node]) => asked.length === 0 || asked.includes(node))
    .filter(([, state]) => state !== 'succeeded' && state !== 'unchanged')
    .map(([node]) => node)
}
