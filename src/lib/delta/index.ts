/** The Delta library as its users see it: the only door. What is not here may change with any commit. */
export { addConstraint, dropConstraint } from './change/alter/check.ts'
export {
  addColumns,
  dropColumn,
  dropNotNull,
  type NewColumn,
  renameColumn,
  setComment,
  setNotNull,
  widenColumn,
} from './change/alter/columns.ts'
export { setProperties, unsetProperties } from './change/alter/set-properties.ts'
export { type AppendOptions, append } from './change/append.ts'
export { cloneDeep } from './change/clone.ts'
export { type CreateOptions, type Creation, createFrom } from './change/create.ts'
export { type DeleteOptions, deleteRows } from './change/delete.ts'
export { type InsertIfAbsentOptions, insertIfAbsent } from './change/insert-if-absent.ts'
export { type MergeOptions, merge } from './change/merge/merge.ts'
export type { MergeClauses } from './change/merge/merge-clauses.ts'
export { type OverwriteOptions, overwrite } from './change/overwrite.ts'
export { type RestoreOptions, restore } from './change/restore.ts'
export type { RowSource } from './change/source.ts'
export { type UpdateOptions, updateRows } from './change/update.ts'
export {
  type ApplicationVersion,
  type Plan,
  type WriteOptions,
  type WriteOutcome,
  write,
} from './change/write.ts'
export type { AddFile, CommitInfo } from './log/actions.ts'
export type { CommitOutcome } from './log/commit.ts'
export type { CommitRef } from './log/commit-id.ts'
export { committedMs, type HistoryEntry, readHistory, type TableCommit } from './log/history.ts'
export { type AutoCompactionOptions, compactIfWorthwhile } from './maintain/auto-compaction.ts'
export { type OptimizeOptions, type OptimizeOutcome, optimize } from './maintain/optimize.ts'
export { type VacuumOptions, type VacuumOutcome, vacuum } from './maintain/vacuum.ts'
export {
  type BrokenFile,
  type Verification,
  type VerifyOptions,
  verifyFiles,
} from './maintain/verify.ts'
export { type Feature, features } from './protocol/features.ts'
export type { TableDeclaration } from './protocol/new-table.ts'
export { type TableProperty, tableProperties } from './protocol/properties.ts'
export { type ChangesOptions, changesSelect } from './rows/changes.ts'
export { type ColumnDiff, type Diff, type DiffOptions, diffVersions } from './rows/diff.ts'
export {
  engineUri,
  type ForeignFiles,
  type ForeignRead,
  type ForeignVersion,
  foreignRead,
  type Partition,
  type PartitionValue,
} from './rows/engine/foreign-read.ts'
export { type FileRows, type FileRowsOptions, fileRows } from './rows/file-rows.ts'
export { type ReadRowsOptions, readColumns, readRows } from './rows/read.ts'
export { arrowSchema, readArrow } from './rows/read-arrow.ts'
export { emptySelect } from './rows/scan.ts'
export { explainRead, type ReadPlan, type RowSelection, selectChanges, selectRows } from './rows/select.ts'
export { combined, type StagedFiles } from './rows/stage.ts'
export type { RowOf, ValueOf } from './schema/row-of.ts'
export {
  arrayOf,
  type DataType,
  duckDbType,
  type Field,
  field,
  isPrimitive,
  type StructType,
  structOf,
} from './schema/schema.ts'
export { typeOfSql } from './schema/source-schema.ts'
export type { FileBounds } from './snapshot/bounds.ts'
export type { ChangedPartitions } from './snapshot/changed-partitions.ts'
export type { Snapshot } from './snapshot/snapshot.ts'
export {
  decodeStagedVersion,
  encodeStagedVersion,
  missingFiles,
} from './snapshot/staged-version.ts'
export { recordsIn } from './snapshot/statistics.ts'
export {
  type AfterCommit,
  type Change,
  DeltaTable,
  type DeltaTableOptions,
  type ReadOptions,
} from './table.ts'
