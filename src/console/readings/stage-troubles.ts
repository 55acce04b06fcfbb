/** Which streaming stages the page tells of: those that do not run as they should, and those that somebody has paused. */
import type { StageStatus } from '../../pipeline/platform/stream-status.ts'
import type { StageTrouble } from '../answers.ts'
import type { HintOf } from '../problem.ts'

export function troublesOf(stages: readonly StageStatus[], hintOf: HintOf): readonly StageTrouble[] {
  return stages
    .filter(({ state }) => state !== 'running' && state !== 'stopped')
    .map(({ stage, state, host, heardMs, reading }) => {
      const problem = reading?.problem ?? null
      return {
        stage,
        state,
        host,
        heardAt: new Date(heardMs).toISOString(),
        problem: problem && { ...problem, hint: hintOf(problem, { stage }) },
      }
    })
}
