/**
 * Gates: what judges the tables of a task beside their checks, after they are staged and before readers see them.
 *
 * The batch knows a gate as a name and a verdict; notebooks are gates of the command line.
 */
import { z } from 'zod'
import { LakeError } from '../../../lib/base/errors.ts'
import type { IoOptions } from '../../../lib/base/io.ts'
import type { RefusingGate } from '../../query/candidate-summary.ts'
import type { StagedTables } from '../../query/staged-tables.ts'

export interface Gate {
  readonly name: string
  /** The task whose tables it judges. */
  readonly task: string
  /** @throws LakeError if it could not be asked at all: nobody knows then what it would have said. */
  judge(staged: StagedTables, options?: IoOptions): Promise<GateVerdict>
}

export interface GateVerdict {
  /** The run of the run store that has all of it. */
  readonly run: number
  /** Why it refuses the tables; absent where it lets them pass. */
  readonly refusal?: string
}

export interface Gates {
  /** As they are declared now. @throws LakeError if something may be a gate, and cannot be read. */
  list(options?: IoOptions): Promise<readonly Gate[]>
}

/** A gate that has let a task's tables pass. */
export interface PassedGate {
  readonly gate: string
  readonly run: number
}

/** All gates of a task, one after the other: each says what it has found, also where one before it has refused. */
export async function askGates(
  gates: readonly Gate[],
  staged: StagedTables,
  { signal }: IoOptions = {},
): Promise<{ readonly passed: readonly PassedGate[]; readonly refusing: readonly RefusingGate[] }> {
  const passed: PassedGate[] = []
  const refusing: RefusingGate[] = []
  for (const gate of gates) {
    const { run, refusal } = await gate.judge(staged, { signal })
    if (refusal === undefined) passed.push({ gate: gate.name, run })
    else refusing.push({ gate: gate.name, run, refusal })
  }
  return { passed, refusing }
}

/** What the gates have said, in the words of an error. */
export function refusalText(refusing: readonly RefusingGate[]): string {
  return refusing
    .map(({ gate, run, refusal }) => `gate ${gate} refuses it (run ${run}): ${refusal}`)
    .join('; ')
}

/**
 * The gates of each task, read once a run.
 *
 * @param judged The tasks that have gates.
 * @throws LakeError `CONFIG_INVALID` naming a gate whose task is none of them: it would never be asked.
 */
export function gatesByTask(
  gates: Gates | undefined,
  judged: readonly string[],
): (task: string, options?: IoOptions) => Promise<readonly Gate[]> {
  let read: Promise<readonly Gate[]> | undefined
  return async (task, { signal } = {}) => {
    read ??= gates?.list({ signal }) ?? Promise.resolve([])
    const all = await read
    const lost = all.find((gate) => !judged.includes(gate.task))
    if (lost !== undefined) {
      throw new LakeError(
        'CONFIG_INVALID',
        `Gate ${lost.name}: expected one of the tasks ${judged.join(', ')}, got ${lost.task}`,
        { details: { fault: 'gate-of-no-task', gate: lost.name, task: lost.task, known: [...judged] } },
      )
    }
    return all.filter((gate) => gate.task === task)
  }
}

const details = z.object({ gates: z.record(z.string(), z.number()) })

/** As the record of a task keeps them: by gate, the run that has let its tables pass. */
export function gateDetails(passed: readonly PassedGate[]): Partial<z.infer<typeof details>> {
  return passed.length === 0 ? {} : { gates: Object.fromEntries(passed.map(({ gate, run }) => [gate, run])) }
}

/** From the details of a recorded task. */
export function passedGatesIn(recorded: unknown): readonly PassedGate[] {
  const { gates = {} } = details.safeParse(recorded).data ?? {}
  return Object.entries(gates).map(([gate, run]) => ({ gate, run }))
}
