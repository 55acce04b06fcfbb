/** Writes a checkpoint after every N commits. Delta PROTOCOL.md, "Checkpoints". */
import type { IoOptions } from '../../base/io.ts'
import type { Logger } from '../../base/log.ts'
import type { Version } from '../log/log-path.ts'
import type { TableProperties } from '../protocol/properties.ts'

/** A version that was just committed. */
export interface CommittedVersion {
  readonly version: Version
  readonly properties: Pick<TableProperties, 'checkpointInterval'>
  /** The newest checkpoint cannot be read: another one is due now. */
  readonly needsCheckpoint: boolean
}

/** What a checkpoint needs of a table. */
interface CheckpointedTable {
  readonly uri: string
  readonly logger: Logger
  snapshot(options?: IoOptions): Promise<unknown>
  checkpoint(options: { readonly version: number }): Promise<unknown>
}

/** Best effort: the log is whole without it, and the next writer tries again. */
export async function checkpointWhenDue(
  table: CheckpointedTable,
  { version, properties, needsCheckpoint }: CommittedVersion,
): Promise<void> {
  const isDue = version > 0 && version % properties.checkpointInterval === 0
  if (!isDue && !needsCheckpoint) return
  try {
    await table.snapshot()
    await table.checkpoint({ version })
  } catch (error) {
    table.logger.warn({ err: error, uri: table.uri, version }, 'The checkpoint could not be written')
  }
}
