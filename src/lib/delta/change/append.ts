/** Adds rows to a table. An append reads nothing, so no other commit can make it wrong. */
import type { DeltaTable } from '../table.ts'
import { type Creation, createFrom } from './create.ts'
import { mergedWithRows } from './evolve.ts'
import { outputMetrics, partitionNames } from './operation.ts'
import type { RowSource } from './source.ts'
import { type WriteOptions, type WriteOutcome, write } from './write.ts'

export interface AppendOptions extends WriteOptions {
  /** What becomes of a column that the rows lack: an error, or null where the schema allows it. */
  readonly missing?: 'error' | 'null'
  /**
   * Columns that the table lacks are added to it, nullable and at the end, in the same commit; types are widened
   * where `delta.enableTypeWidening` is true. Columns that the rows lack are null then.
   */
  readonly mergeSchema?: boolean
  /** Makes the table where there is none. */
  readonly create?: Creation
}

/**
 * Appends all rows in one commit. If protocol, schema or properties have changed meanwhile, the rows are staged again.
 *
 * @throws LakeError as `DeltaTable.stage`, `write`, `createFrom` and `mergedWithRows` do. Nothing is appended then.
 */
export async function append(
  table: DeltaTable,
  source: RowSource,
  { mergeSchema = false, missing = mergeSchema ? 'null' : 'error', create, ...options }: AppendOptions = {},
): Promise<WriteOutcome> {
  const { signal } = options
  const { session, select } = source
  if (create !== undefined && options.computedFrom === undefined) {
    const made = await createFrom(table, source, { ...create, missing, ...options })
    if (made.kind !== 'exists') return made
  }
  return write(table, options, async (snapshot) => {
    table.requireWritable(snapshot)
    const evolved = mergeSchema ? await mergedWithRows(table, snapshot, source, { signal }) : undefined
    const staged = await table.stage(session, evolved ?? snapshot, select, { missing, signal })
    if (staged.rows === 0 && evolved === undefined) return undefined
    return {
      ...evolved,
      staged,
      add: staged.files,
      reads: { kind: 'none' },
      operation: {
        name: 'WRITE',
        parameters: { mode: 'Append', partitionBy: partitionNames(snapshot) },
        metrics: outputMetrics(staged),
      },
    }
  })
}
