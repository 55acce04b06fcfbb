/** Which runs are meant: the options of `lake runs list`, and of the commands that change many runs. */
import { type Command, InvalidArgumentError } from 'commander'
import { type RunState, runStates, type Trigger, triggers } from '../../lib/runs/run.ts'
import type { RunFilter } from '../../lib/runs/run-book.ts'
import { names, timeOrSpan } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'

export interface FilterFlags {
  readonly state?: readonly RunState[]
  readonly trigger?: readonly Trigger[]
  readonly task?: string
  readonly since?: (nowMs: number) => number
}

export function withFilter(command: Command): Command {
  return command
    .option('--state <states>', `only those in these states: ${runStates.join(', ')}`, oneOf(runStates))
    .option('--trigger <triggers>', `only those started so: ${triggers.join(', ')}`, oneOf(triggers))
    .option('--task <name>', 'only those that have tried this task')
    .option('--since <time>', 'only those from this time on, or from so long ago: 2d, 12h, 30m', timeOrSpan)
}

export const hasFilter = ({ state, trigger, task, since: from }: FilterFlags): boolean =>
  [state, trigger, task, from].some((given) => given !== undefined)

export function filterOf(
  { state, trigger, task, since: from }: FilterFlags,
  { platform }: CommandLine,
): RunFilter {
  return {
    ...(state && { states: state }),
    ...(trigger && { triggers: trigger }),
    ...(task !== undefined && { node: task }),
    ...(from && { sinceMs: from(platform.clock.now()) }),
  }
}

function oneOf<T extends string>(known: readonly T[]): (text: string, before?: readonly T[]) => readonly T[] {
  return (text, before = []) => [
    ...before,
    ...names(text).map((given) => {
      const found = known.find((each) => each === given)
      if (found !== undefined) return found
      throw new InvalidArgumentError(`Expected ${known.join(', ')}; got ${given}.`)
    }),
  ]
}
