/** The Delta library as its users see it; what is not here may change with any commit. */
export { addConstraint, dropConstraint } from './alter/check.ts'
export {
  addColumns,
  dropColumn,
  dropNotNull,
  type NewColumn,
  renameColumn,
  setComment,
  setNotNull,
  widenColumn,
} from './alter/columns.ts'
export { setProperties, unsetProperties } from './alter/set-properties.ts'
export { arrowSchema, readArrow } from './arrow.ts'
export { type ChangesOptions, changesSelect } from './changes.ts'
export { type Diff, type DiffOptions, diffVersions } from './diff.ts'
export { type HistoryEntry, readHistory } from './history.ts'
export { type AutoCompactionOptions, compactIfWorthwhile } from './maintain/auto-compaction.ts'
export { type OptimizeOptions, type OptimizeOutcome, optimize } from './maintain/optimize.ts'
export { type VacuumOptions, type VacuumOutcome, vacuum } from './maintain/vacuum.ts'
export type { TableDeclaration } from './new-table.ts'
export { type ReadRowsOptions, readColumns, readRows } from './read.ts'
export type { RowOf, ValueOf } from './row-of.ts'
export {
  arrayOf,
  type DataType,
  type Field,
  field,
  type StructType,
  structOf,
} from './schema.ts'
export { explainRead, type ReadPlan, type RowSelection } from './select.ts'
export type { Snapshot } from './snapshot.ts'
export { DeltaTable, type DeltaTableOptions, type ReadOptions } from './table.ts'
export { type AppendOptions, append } from './write/append.ts'
export { cloneDeep } from './write/clone.ts'
export { type CreateOptions, type Creation, createFrom } from './write/create.ts'
export { type DeleteOptions, deleteRows } from './write/delete.ts'
export { type FileRowsOptions, fileRows } from './write/file-rows.ts'
export { type InsertIfAbsentOptions, insertIfAbsent } from './write/insert-if-absent.ts'
export { type MergeOptions, merge } from './write/merge.ts'
export { type OverwriteOptions, overwrite } from './write/overwrite.ts'
export { type RestoreOptions, restore } from './write/restore.ts'
export type { RowSource } from './write/source.ts'
export { type UpdateOptions, updateRows } from './write/update.ts'
export type { ApplicationVersion, WriteOptions, WriteOutcome } from './write/write.ts'
