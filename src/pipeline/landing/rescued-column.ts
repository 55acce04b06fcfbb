/** The column of `bronze/events` that keeps the fields of events which the platform does not know, where that is asked for. */
import { isLakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { addColumns, type DeltaTable, type Snapshot } from '../../lib/delta/index.ts'

export const rescuedColumn = '_rescued'

export function hasRescuedColumn({ schema }: Snapshot): boolean {
  return schema.fields.some(({ name }) => name === rescuedColumn)
}

/** Idempotent, also for several processes at once. */
export async function addRescuedColumn(events: DeltaTable, { signal }: IoOptions = {}): Promise<void> {
  if (hasRescuedColumn(await events.snapshot({ signal }))) return
  const comment = 'fields of the event that are not known, as JSON'
  try {
    await addColumns(events, [{ path: rescuedColumn, type: 'string', comment }], { signal })
  } catch (error) {
    // Another process has added it meanwhile: that is what was asked for.
    if (!isLakeError(error) || !hasRescuedColumn(await events.snapshot({ signal }))) throw error
  }
}
