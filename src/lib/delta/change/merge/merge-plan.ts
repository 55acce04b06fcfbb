/**
 * Plans a merge from a snapshot: which rows match, which clause applies to each, and which files are written.
 *
 * Matched pairs of rows lie in temporary tables and are joined there. No row passes through JavaScript.
 */
import { LakeError } from '../../../base/errors.ts'
import type { IoOptions } from '../../../base/io.ts'
import { createTemporaryTable } from '../../../duckdb/append.ts'
import type { DuckDbSession } from '../../../duckdb/duckdb.ts'
import { identifier } from '../../../duckdb/sql-text.ts'
import type { AddFile } from '../../log/actions.ts'
import type { Isolation, ReadSet } from '../../log/conflict.ts'
import type { Altered } from '../../protocol/alteration.ts'
import type { Predicate } from '../../rows/predicate.ts'
import { pruneFiles } from '../../rows/pruning.ts'
import { combined, type StagedFiles } from '../../rows/stage.ts'
import { decodeSchema, duckDbType, type Field, type StructType } from '../../schema/schema.ts'
import type { Snapshot } from '../../snapshot/snapshot.ts'
import type { DeltaTable } from '../../table.ts'
import { assignedRows } from '../assign.ts'
import { type ChangedRows, changeFilesOf, stageChanges } from '../change-files.ts'
import { rowPlace } from '../condition.ts'
import { mergedWithRows } from '../evolve.ts'
import { sizedLike } from '../rewrite.ts'
import type { Metrics, Plan } from '../write.ts'
import { type KeyEquality, keyEqualities, reachableRows } from './key-equality.ts'
import {
  evolvingColumns,
  firstThatHolds,
  type MergeClauses,
  type ResolvedClause,
  type ResolvedClauses,
  resolveClauses,
  setsOf,
} from './merge-clauses.ts'

/** The column that numbers the rows of a source. */
export const sourceRow = '__lake_source_row'

const pairs = 'lake_merge_pairs'
const changes = 'lake_merge_changes'
const inserts = 'lake_merge_inserts'
const touchedFiles = 'lake_merge_files'
const temporaryTables = [pairs, changes, inserts, touchedFiles]

export interface MergeSpec {
  readonly on: string
  /** A temporary table of the session, with a column `sourceRow`. */
  readonly source: string
  readonly clauses: MergeClauses
  readonly isolation: Isolation
  readonly mergeSchema: boolean
}

/** What all steps of one plan share. */
interface Merging extends IoOptions {
  readonly table: DeltaTable
  readonly session: DuckDbSession
  readonly snapshot: Snapshot
  readonly spec: MergeSpec
  readonly clauses: ResolvedClauses
  readonly keys: readonly KeyEquality[]
  /** What the table is to be, where rows of the source bring columns or types with them. */
  readonly evolved: Altered | undefined
  /** That of `evolved`, or the snapshot's. */
  readonly schema: StructType
}

/**
 * Runs in a transaction, which takes its temporary tables back where it fails.
 *
 * @returns `undefined` where no row would be another. @throws LakeError as `merge` does.
 */
export async function planMerge(
  table: DeltaTable,
  session: DuckDbSession,
  snapshot: Snapshot,
  spec: MergeSpec,
  { signal }: IoOptions = {},
): Promise<Plan | undefined> {
  const { on } = spec
  const { evolved, schema, clauses } = await resolved(table, session, snapshot, spec, { signal })
  const changesRows = clauses.matched.length + clauses.notMatchedBySource.length > 0
  table.requireWritable(snapshot, changesRows ? 'rows' : 'append')
  const keys = await keyEqualities(session, snapshot.schema, on, { signal })
  const merging: Merging = { table, session, snapshot, spec, clauses, keys, evolved, schema, signal }
  const { searched, reads } = await searchedFiles(merging)
  await pairUp(merging, searched)
  await requireOneEach(merging, searched)
  const touched = await settleChanges(merging, searched)
  const plan = await stageMerged(merging, touched, reads)
  for (const name of temporaryTables) await session.run(`drop table temp.${name}`)
  return plan
}

async function resolved(
  table: DeltaTable,
  session: DuckDbSession,
  snapshot: Snapshot,
  { source, clauses, mergeSchema }: MergeSpec,
  { signal }: IoOptions,
): Promise<Pick<Merging, 'evolved' | 'schema' | 'clauses'>> {
  const described = await session.describe(`from temp.${source}`, { signal })
  const columns = described.map(({ name }) => name).filter((name) => name !== sourceRow)
  const evolving = mergeSchema ? evolvingColumns(snapshot.schema, columns, clauses) : []
  const select = `select ${evolving.map(identifier).join(', ')} from temp.${source}`
  const evolved =
    evolving.length === 0 ? undefined : await mergedWithRows(table, snapshot, { session, select }, { signal })
  const schema = evolved === undefined ? snapshot.schema : decodeSchema(evolved.metadata.schemaString)
  const missing = mergeSchema ? 'keep' : 'error'
  return {
    evolved,
    schema,
    clauses: await resolveClauses(session, schema, columns, clauses, { missing, signal }),
  }
}

async function searchedFiles({
  session,
  snapshot,
  spec,
  clauses,
  keys,
  signal,
}: Merging): Promise<{ readonly searched: readonly AddFile[]; readonly reads: ReadSet }> {
  if (clauses.notMatchedBySource.length > 0) return { searched: snapshot.files, reads: { kind: 'table' } }
  const { on, source } = spec
  const predicate: Predicate = await reachableRows(session, snapshot, { on, source, keys }, { signal })
  const within = async (files: readonly AddFile[]): Promise<readonly AddFile[]> =>
    (await pruneFiles(session, snapshot, files, predicate)).files
  const searched = await within(snapshot.files)
  return { searched, reads: { kind: 'rows', files: searched, mayHold: within } }
}

/** Pairs that match, each with the clause that applies; a row of the table without a pair has no `source`. */
async function pairUp(
  { table, session, snapshot, spec, clauses, signal }: Merging,
  searched: readonly AddFile[],
): Promise<void> {
  const scan = await table.scan(session, snapshot, { files: searched, withRowPlace: rowPlace, signal })
  const { file, row } = rowPlace
  await session.run(
    `create or replace temporary table ${pairs} as select t.${file} as file, t.${row} as "row", s.${sourceRow} as source, ${firstThatHolds(clauses.matched)} as clause from (${scan}) as t join temp.${spec.source} as s on (\n${spec.on}\n)`,
    { signal },
  )
  if (clauses.notMatchedBySource.length === 0) return
  await session.run(
    `insert into temp.${pairs} select file, "row", source, clause from (select t.${file} as file, t.${row} as "row", null::bigint as source, ${firstThatHolds(clauses.notMatchedBySource)} as clause from (${scan}) as t where not exists (select 1 from temp.${pairs} as pair where pair.file = t.${file} and pair."row" = t.${row})) where clause is not null`,
    { signal },
  )
}

/** As the reference implementation has it: only where all that match are deleted may several match. */
async function requireOneEach(
  { table, session, snapshot, clauses, keys, signal }: Merging,
  searched: readonly AddFile[],
): Promise<void> {
  const [only, ...others] = clauses.matched
  if (only?.kind === 'delete' && others.length === 0 && only.condition === '(\ntrue\n)') return
  const [twice] = await session.rows(
    `select file, "row", count(*) as count from temp.${pairs} where clause is not null group by all having count > 1 order by file, "row" limit 1`,
    { signal },
  )
  if (twice === undefined) return
  const file = searched[Number(twice['file'])]
  const scan = await table.scan(session, snapshot, {
    files: file === undefined ? [] : [file],
    withRowPlace: rowPlace,
    signal,
  })
  const names = keys.map(({ target }) => target.join('.'))
  const values = keys.map(
    ({ target }, index) => `t.${target.map(identifier).join('.')}::varchar as c${index}`,
  )
  const found = await session.row(
    `select ${[...values, 'true as found'].join(', ')} from (${scan}) as t where t.${rowPlace.row} = ${String(twice['row'])}`,
    { signal },
  )
  const key = names.map((name, index) => `${name} = ${String(found[`c${index}`])}`).join(', ')
  throw new LakeError(
    'CONSTRAINT_VIOLATED',
    `${table.uri}: ${String(twice['count'])} rows of the source would change one row${key === '' ? '' : `, ${key}`}`,
    {
      details: { uri: table.uri, rows: Number(twice['count']), fault: 'source-repeats-key' },
    },
  )
}

/** Makes the tables of the rows that change, by the files to be written again, and of those that come in. */
async function settleChanges(
  { session, spec, clauses, signal }: Merging,
  searched: readonly AddFile[],
): Promise<readonly AddFile[]> {
  const found = await session.rows(
    `select distinct file from temp.${pairs} where clause is not null order by file`,
    { signal },
  )
  const indexes = found.map(({ file }) => Number(file))
  const touched = indexes.flatMap((index) => searched[index] ?? [])
  await createTemporaryTable(session, touchedFiles, [
    { name: 'file', kind: 'integer', values: indexes },
    { name: 'position', kind: 'integer', values: indexes.map((_, position) => position) },
  ])
  await session.run(
    `create or replace temporary table ${changes} as select touched.position as file, pair."row", min(pair.source) as source, min(pair.clause) as clause from temp.${pairs} as pair join temp.${touchedFiles} as touched on touched.file = pair.file where pair.clause is not null group by all`,
    { signal },
  )
  await session.run(
    `create or replace temporary table ${inserts} as select * from (select s.${sourceRow} as source, ${firstThatHolds(clauses.notMatched)} as clause from temp.${spec.source} as s where not exists (select 1 from temp.${pairs} as pair where pair.source = s.${sourceRow})) where clause is not null`,
    { signal },
  )
  return touched
}

async function stageMerged(
  merging: Merging,
  touched: readonly AddFile[],
  reads: ReadSet,
): Promise<Plan | undefined> {
  const { table, session, snapshot, spec, clauses, evolved, schema, signal } = merging
  const counts = await countRows(merging)
  if (touched.length === 0 && counts.inserted === 0 && evolved === undefined) return undefined
  const target = { metadata: evolved?.metadata ?? snapshot.metadata, schema }
  const isThere = new Set(snapshot.schema.fields.map(({ name }) => name))
  const valueBefore = ({ name, type }: Field): string =>
    isThere.has(name) ? `t.${identifier(name)}` : `null::${duckDbType(type)}`
  const changing = [...clauses.matched, ...clauses.notMatchedBySource]
  const scan = await table.scan(session, snapshot, { files: touched, withRowPlace: rowPlace, signal })
  const joined = (kind: 'left join' | 'join'): string =>
    `(${scan}) as t ${kind} temp.${changes} as change on change.file = t.${rowPlace.file} and change."row" = t.${rowPlace.row} left join temp.${spec.source} as s on s.${sourceRow} = change.source`
  const assigned = (from: string): Promise<string> =>
    assignedRows(session, schema, {
      from,
      clause: 'change.clause',
      clauses: setsOf(changing),
      otherwise: valueBefore,
      signal,
    })
  const deleting = changing.filter(({ kind }) => kind === 'delete').map(({ key }) => key)
  const isDelete = deleting.length === 0 ? 'false' : `change.clause in (${deleting.join(', ')})`
  const inserted = await insertedRows(merging)
  const parts = [
    ...(touched.length === 0
      ? []
      : [await assigned(`${joined('left join')} where (${isDelete}) is not true`)]),
    ...(counts.inserted === 0 ? [] : [inserted]),
  ]
  const staged: StagedFiles =
    parts.length === 0
      ? { files: [], rows: 0, sizeBytes: 0 }
      : await table.stage(session, target, parts.join(' union all '), {
          ...(touched.length > 0 && sizedLike(snapshot, touched)),
          signal,
        })
  const before = schema.fields.map((field) => `${valueBefore(field)} as ${identifier(field.name)}`).join(', ')
  const changed: readonly ChangedRows[] = [
    { change: 'delete', select: `select ${before} from ${joined('join')} where ${isDelete}` },
    { change: 'update_preimage', select: `select ${before} from ${joined('join')} where not (${isDelete})` },
    { change: 'update_postimage', select: await assigned(`${joined('join')} where not (${isDelete})`) },
    { change: 'insert', select: inserted },
  ]
  const changeFiles =
    touched.length === 0 ? undefined : await stageChanges(table, session, target, changed, { signal })
  return {
    ...evolved,
    staged: changeFiles === undefined ? staged : combined(staged, changeFiles),
    add: staged.files,
    remove: touched,
    ...(changeFiles !== undefined && { changeFiles: changeFilesOf(changeFiles) }),
    reads,
    isolation: spec.isolation,
    operation: {
      name: 'MERGE',
      parameters: parametersOf(spec),
      metrics: {
        ...counts.metrics,
        ...outputOf(staged, touched),
        numTargetRowsCopied: staged.rows - counts.inserted - counts.updated,
        numTargetChangeFilesAdded: changeFiles?.files.length ?? 0,
      },
    },
  }
}

/** Rows of the source that no row of the table matches, as rows of the table. */
function insertedRows({ session, spec, schema, clauses, signal }: Merging): Promise<string> {
  return assignedRows(session, schema, {
    from: `temp.${inserts} as change join temp.${spec.source} as s on s.${sourceRow} = change.source`,
    clause: 'change.clause',
    clauses: setsOf(clauses.notMatched),
    otherwise: ({ type }) => `null::${duckDbType(type)}`,
    signal,
  })
}

function outputOf(staged: StagedFiles, touched: readonly AddFile[]): Metrics {
  return {
    numOutputRows: staged.rows,
    numTargetFilesAdded: staged.files.length,
    numTargetFilesRemoved: touched.length,
    numTargetBytesAdded: staged.sizeBytes,
    numTargetBytesRemoved: touched.reduce((sum, { size }) => sum + size, 0),
  }
}

interface Counts {
  readonly inserted: number
  readonly updated: number
  readonly metrics: Metrics
}

async function countRows({ session, spec, clauses, signal }: Merging): Promise<Counts> {
  const rows = await session.rows(
    `select clause, count(*) as count from temp.${changes} group by clause union all select -1, count(*) from temp.${inserts} union all select -2, count(*) from temp.${spec.source}`,
    { signal },
  )
  const counts = new Map(rows.map(({ clause, count }) => [Number(clause), Number(count)]))
  const total = (of: readonly ResolvedClause[], wanted: ResolvedClause['kind']): number =>
    of.filter(({ kind }) => kind === wanted).reduce((sum, { key }) => sum + (counts.get(key) ?? 0), 0)
  const { matched, notMatchedBySource: bySource } = clauses
  const [updated, updatedBySource] = [total(matched, 'update'), total(bySource, 'update')]
  const [deleted, deletedBySource] = [total(matched, 'delete'), total(bySource, 'delete')]
  const inserted = counts.get(-1) ?? 0
  return {
    inserted,
    updated: updated + updatedBySource,
    metrics: {
      numSourceRows: counts.get(-2) ?? 0,
      numTargetRowsInserted: inserted,
      numTargetRowsUpdated: updated + updatedBySource,
      numTargetRowsDeleted: deleted + deletedBySource,
      numTargetRowsMatchedUpdated: updated,
      numTargetRowsMatchedDeleted: deleted,
      numTargetRowsNotMatchedBySourceUpdated: updatedBySource,
      numTargetRowsNotMatchedBySourceDeleted: deletedBySource,
    },
  }
}

/** Lists are JSON text, as the reference implementation writes them. */
function parametersOf({ on, clauses }: MergeSpec): Readonly<Record<string, string>> {
  const list = (of: readonly { readonly kind: string; readonly and?: string }[] = []): string =>
    JSON.stringify(
      of.map(({ kind, and }) => ({ ...(and !== undefined && { predicate: and }), actionType: kind })),
    )
  return {
    predicate: JSON.stringify([on]),
    matchedPredicates: list(clauses.matched),
    notMatchedPredicates: list(clauses.notMatched),
    notMatchedBySourcePredicates: list(clauses.notMatchedBySource),
  }
}
