/** Replaces rows in one commit: all rows of the table, those of some partitions, or those of a condition. */
import { LakeError } from '../../base/errors.ts'
import type { AddFile } from '../log/actions.ts'
import type { Isolation, ReadSet } from '../log/conflict.ts'
import type { Altered } from '../protocol/alteration.ts'
import { combined, type StagedFiles } from '../rows/stage.ts'
import { decodeSchema } from '../schema/schema.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { DeltaTable } from '../table.ts'
import { changeFilesOf, stageChanges } from './change-files.ts'
import { type Condition, findMatches, parseCondition, readSetOf } from './condition.ts'
import { type Creation, createFrom } from './create.ts'
import { mergedWithRows, replacedByRows } from './evolve.ts'
import { outputMetrics, partitionNames, removalMetrics } from './operation.ts'
import { sizedLike } from './rewrite.ts'
import type { RowSource } from './source.ts'
import { type WriteOptions, type WriteOutcome, write } from './write.ts'

export interface OverwriteOptions extends WriteOptions {
  /**
   * What the rows replace: the whole table; the partitions that they have rows of; or the rows that satisfy a
   * condition, which each of the new ones must satisfy as well.
   */
  readonly replace?: 'table' | 'partitions' | { readonly where: string }
  /** What becomes of a column that the rows lack: an error, or null where the schema allows it. */
  readonly missing?: 'error' | 'null'
  /** As of `append`. */
  readonly mergeSchema?: boolean
  /** The table is to have the schema of the rows, whatever it had; only where the whole table is replaced. */
  readonly overwriteSchema?: boolean
  /** With `overwriteSchema`: the new partition columns. The old ones without it. */
  readonly partitionBy?: readonly string[]
  /** Makes the table where there is none. */
  readonly create?: Creation
  /** `Serializable` without it. */
  readonly isolation?: Isolation
}

/** What goes, what comes, and what was read to know it. */
interface Replacement {
  readonly staged: StagedFiles
  readonly remove: readonly AddFile[]
  readonly reads: ReadSet
  readonly changes?: StagedFiles
}

interface ReplaceOptions extends OverwriteOptions {
  /** What the table is to be, where it changes. */
  readonly evolved: Altered | undefined
}

/**
 * If two overwrite the same rows, the later commit wins, unless it names the version that it was computed from.
 *
 * @throws LakeError `CONSTRAINT_VIOLATED` for a row that does not satisfy the condition, or a table that only
 * grows, and as `DeltaTable.stage` and `write` do. Nothing is replaced then.
 */
export async function overwrite(
  table: DeltaTable,
  source: RowSource,
  { create, ...options }: OverwriteOptions = {},
): Promise<WriteOutcome> {
  const {
    replace = 'table',
    isolation = 'Serializable',
    mergeSchema = false,
    overwriteSchema = false,
  } = options
  requireTogether(replace, options)
  if (create !== undefined && options.computedFrom === undefined) {
    const { missing, transaction, tags, signal } = options
    const made = await createFrom(table, source, {
      ...create,
      ...(missing !== undefined && { missing }),
      ...(transaction !== undefined && { transaction }),
      ...(tags !== undefined && { tags }),
      signal,
    })
    if (made.kind !== 'exists') return made
  }
  const replacementOf =
    replace === 'table' ? replaceTable : replace === 'partitions' ? replacePartitions : replaceWhere(replace)
  return write(table, options, (snapshot) =>
    source.session.transaction(async () => {
      const evolved = overwriteSchema
        ? await replacedByRows(table, snapshot, source, options)
        : mergeSchema
          ? await mergedWithRows(table, snapshot, source, options)
          : undefined
      const { staged, remove, reads, changes } = await replacementOf(table, snapshot, source, {
        ...options,
        evolved,
        missing: options.missing ?? (mergeSchema ? 'null' : 'error'),
      })
      if (staged.rows === 0 && remove.length === 0 && evolved === undefined) return undefined
      return {
        ...evolved,
        staged: changes === undefined ? staged : combined(staged, changes),
        add: staged.files,
        remove,
        ...(changes !== undefined && { changeFiles: changeFilesOf(changes) }),
        reads,
        isolation,
        operation: {
          name: 'WRITE',
          parameters: {
            mode: 'Overwrite',
            partitionBy: partitionNames(snapshot),
            ...(replace === 'partitions' && { partitionOverwriteMode: 'dynamic' }),
            ...(typeof replace === 'object' && { predicate: JSON.stringify([replace.where]) }),
          },
          metrics: { ...outputMetrics(staged), ...removalMetrics(remove) },
        },
      }
    }),
  )
}

function requireTogether(
  replace: OverwriteOptions['replace'],
  { overwriteSchema = false, mergeSchema = false, partitionBy }: OverwriteOptions,
): void {
  const fault =
    overwriteSchema && replace !== 'table'
      ? 'overwriteSchema replaces the whole table, not a part of it'
      : overwriteSchema && mergeSchema
        ? 'overwriteSchema and mergeSchema exclude each other'
        : !overwriteSchema && partitionBy !== undefined
          ? 'partitionBy needs overwriteSchema'
          : undefined
  if (fault !== undefined) throw new LakeError('USAGE', `Overwrite: ${fault}`)
}

type Replace = (
  table: DeltaTable,
  snapshot: Snapshot,
  source: RowSource,
  options: ReplaceOptions,
) => Promise<Replacement>

const replaceTable: Replace = async (
  table,
  snapshot,
  { session, select },
  { evolved, missing = 'error', signal },
) => {
  table.requireWritable(snapshot, 'rows')
  const staged = await table.stage(session, evolved ?? snapshot, select, { missing, signal })
  return { staged, remove: snapshot.files, reads: { kind: 'table' } }
}

const replacePartitions: Replace = async (
  table,
  snapshot,
  { session, select },
  { evolved, missing = 'error', signal },
) => {
  table.requireWritable(snapshot, 'rows')
  if (snapshot.partitionColumns.length === 0) {
    throw new LakeError(
      'SCHEMA_MISMATCH',
      `${table.uri} is not partitioned: there are no partitions to replace`,
      { details: { fault: 'not-partitioned' } },
    )
  }
  const staged = await table.stage(session, evolved ?? snapshot, select, { missing, signal })
  const replaced = new Set(staged.files.map(partitionOf))
  const inThem = (files: readonly AddFile[]): readonly AddFile[] =>
    files.filter((file) => replaced.has(partitionOf(file)))
  const remove = inThem(snapshot.files)
  return {
    staged,
    remove,
    reads: { kind: 'rows', files: remove, mayHold: async (added) => inThem(added) },
  }
}

function replaceWhere({ where }: { readonly where: string }): Replace {
  return async (table, snapshot, { session, select }, { evolved, missing = 'error', signal }) => {
    table.requireWritable(snapshot, 'rows')
    const condition = await parseCondition(session, snapshot, where, { signal })
    const { searched, whole, partly } = await findMatches(session, table, snapshot, condition, { signal })
    const kept = await table.scan(session, snapshot, { files: partly, signal })
    const taken = await table.scan(session, snapshot, { files: [...whole, ...partly], signal })
    const staged = combined(
      await table.stage(session, evolved ?? snapshot, select, {
        missing,
        constraints: [constraintOf(condition)],
        signal,
      }),
      await table.stage(
        session,
        evolved ?? snapshot,
        `select * from (${kept}) where ${condition.sql} is not true`,
        {
          ...sizedLike(snapshot, partly),
          ...(evolved !== undefined && { missing: 'null' }),
          signal,
        },
      ),
    )
    const changes = await stageChanges(
      table,
      session,
      evolved === undefined
        ? snapshot
        : { metadata: evolved.metadata, schema: decodeSchema(evolved.metadata.schemaString) },
      // Files that come and go as a whole say it by themselves.
      partly.length === 0
        ? []
        : [
            {
              change: 'delete',
              select: `select * from (${taken}) where ${condition.sql}`,
              ...(evolved !== undefined && { missing: 'null' }),
            },
            { change: 'insert', select, missing },
          ],
      { signal },
    )
    return {
      staged,
      changes,
      remove: [...whole, ...partly],
      reads: readSetOf(session, snapshot, condition, searched),
    }
  }
}

function constraintOf({ sql }: Condition): { readonly name: string; readonly sql: string } {
  return { name: `the condition of what is overwritten, ${sql.slice(1, -1).trim()}`, sql }
}

/** The same text for files of the same partition. */
function partitionOf({ partitionValues }: AddFile): string {
  return JSON.stringify(Object.entries(partitionValues).sort(([a], [b]) => (a < b ? -1 : 1)))
}
