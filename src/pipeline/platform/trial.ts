/** A task on trial, bound to the parts of a platform: what it makes lies over the lake, for one reader alone. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { DeltaTable, Snapshot } from '../../lib/delta/index.ts'
import { type TrialRequest, type Tried, tryTask } from '../batch/trial.ts'
import type { LakeTable } from '../model/tables.ts'
import type { Platform } from './compose.ts'
import { batchContextOf } from './stages.ts'

/**
 * Runs the task; its tables are below the platform's temporary folder, and go when the platform is closed.
 *
 * @returns the platform with these tables in place of its own; closing it closes nothing, for its parts are those of the other.
 * @throws LakeError as `tryTask`; `USAGE` in the process of a gate, whose staged tables a task would not read.
 */
export async function tryOn(
  platform: Platform,
  request: TrialRequest,
  { signal }: IoOptions = {},
): Promise<Tried & { readonly platform: Platform }> {
  if (platform.staged !== undefined) {
    throw new LakeError('USAGE', 'lake.stage: a gate judges what is staged; try a task in another notebook')
  }
  const context = await batchContextOf(platform)
  const folder = join(platform.temporaryDirectory, `trial-${randomUUID()}`)
  const made = new Map<string, DeltaTable>()
  const tried = await tryTask(
    context,
    async (name) => {
      const table = await platform.tableAt(join(folder, name))
      made.set(name, table)
      return table
    },
    request,
    { signal },
  )
  const overlay = new Map<string, Snapshot>(await platform.overlay?.())
  overlay.set(tried.input.table, tried.input.snapshot)
  for (const [name, table] of made) overlay.set(name, await table.snapshot({ signal }))
  return {
    ...tried,
    platform: {
      ...platform,
      table: async (name: LakeTable) => made.get(name) ?? platform.table(name),
      overlay: async () => overlay,
      [Symbol.asyncDispose]: async () => undefined,
    },
  }
}
