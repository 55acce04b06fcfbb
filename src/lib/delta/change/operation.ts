/** The name, parameters and metrics of a commit, spelled as the reference implementation spells them. */
import type { AddFile } from '../log/actions.ts'
import type { StagedFiles } from '../rows/stage.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { Metrics } from './write.ts'

/** As the reference implementation writes lists there: JSON text. */
export function partitionNames({ partitionColumns }: Snapshot): string {
  return JSON.stringify(partitionColumns)
}

/** What a commit added; sizes in bytes. */
export function outputMetrics(staged: StagedFiles): Metrics {
  return { numFiles: staged.files.length, numOutputRows: staged.rows, numOutputBytes: staged.sizeBytes }
}

/** What a commit took out; sizes in bytes. */
export function removalMetrics(removed: readonly AddFile[]): Metrics {
  return {
    numRemovedFiles: removed.length,
    numRemovedBytes: removed.reduce((sum, { size }) => sum + size, 0),
  }
}
