/** Files that no version of the last week needs, removed from all tables of the lake. */

import { messageOf } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { Logger } from '../../lib/base/log.ts'
import { type DeltaTable, vacuum } from '../../lib/delta/index.ts'
import type { CandidateBook } from '../../lib/runs/candidate-book.ts'
import type { LakeTable } from '../model/tables.ts'
import { noteVacuumed } from '../query/candidate.ts'

/**
 * Goes from table to table, each with the retention of its own properties. One that fails is told, and the others
 * follow: the files are there the next time. Aborted, it returns early. Nothing is thrown.
 */
export async function vacuumTables(
  tables: readonly DeltaTable[],
  { logger, signal }: IoOptions & { readonly logger: Logger },
): Promise<void> {
  for (const table of tables) {
    try {
      if (!(await table.exists({ signal }))) continue
      const { files, sizeBytes } = await vacuum(table, { signal })
      if (files.length > 0) {
        logger.info(
          { table: table.uri, files: files.length, sizeBytes },
          'Files that nobody needs were removed',
        )
      }
    } catch (error) {
      if (signal?.aborted === true) return
      logger.warn({ table: table.uri, reason: messageOf(error) }, 'The table could not be vacuumed')
    }
  }
}

/** Records which candidates the vacuum has removed. If it fails, that is told; the next vacuum records them. */
export async function recordVacuumed(
  { table, candidates }: { table: (name: LakeTable) => DeltaTable; candidates: CandidateBook },
  { logger, signal }: IoOptions & { readonly logger: Logger },
): Promise<void> {
  try {
    await noteVacuumed(table, candidates, { signal })
  } catch (error) {
    if (signal?.aborted === true) return
    logger.warn({ reason: messageOf(error) }, 'The candidates that vacuum removed could not be recorded')
  }
}
