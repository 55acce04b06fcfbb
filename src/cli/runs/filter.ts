/** Which runs are meant: the options of `lake runs list`, and of the commands that change many runs. */
import { type Command, InvalidArgumentError } from 'commander'
import { parseIsoTime } from '../../lib/base/iso-time.ts'
import { type RunState, runStates, type Trigger, triggers } from '../../lib/runs/run.ts'
import type { RunFilter } from '../../lib/runs/run-book.ts'
import { names } from '../arguments.ts'
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
    .option('--since <time>', 'only those from this time on, or from so long ago: 2d, 12h, 30m', since)
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

const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const

function since(text: string): (nowMs: number) => number {
  const { count, unit } = /^(?<count>\d{1,6})(?<unit>[mhd])$/.exec(text)?.groups ?? {}
  if (unit === 'm' || unit === 'h' || unit === 'd') return (nowMs) => nowMs - Number(count) * unitMs[unit]
  const time = parseIsoTime(text)
  if (time !== undefined) return () => time
  throw new InvalidArgumentError(
    'Expected a time such as 2026-01-31T12:30:00Z, or a span such as 2d, 12h or 30m.',
  )
}
