/**
 * Adds, renames, drops and widens columns, at any depth; sets their comments and whether they may be null.
 *
 * No file is written again. A new column is null in older rows. A renamed column keeps its name in the files, and a
 * dropped column stays in them, where nobody reads it. Both need column mapping (`delta.columnMapping.mode`).
 */
import { LakeError } from '../../../base/errors.ts'
import { formatJson } from '../../../base/json.ts'
import { isNeverNull } from '../../protocol/constraints.ts'
import { tableProperties } from '../../protocol/properties.ts'
import { isSameName } from '../../schema/names.ts'
import {
  type DataType,
  type Field,
  type PrimitiveType,
  type StructType,
  structOf,
} from '../../schema/schema.ts'
import { type ColumnPath, changeField, findField, parsePath, pathText } from '../../schema/schema-path.ts'
import { requireWidening, typeName, withTypeChange } from '../../schema/type-changes.ts'
import type { Snapshot } from '../../snapshot/snapshot.ts'
import type { DeltaTable } from '../../table.ts'
import { requireUnused } from '../references.ts'
import type { WriteOutcome } from '../write.ts'
import { type AlterOptions, alterTable } from './alter.ts'

export interface NewColumn {
  /** A column of its own, or a field of a struct: `address.city`. */
  readonly path: ColumnPath
  readonly type: DataType
  readonly comment?: string
}

/**
 * Adds nullable columns, at the end of the table or of their struct.
 *
 * @throws LakeError `SCHEMA_MISMATCH` for a column that already exists, and as `alterTable` does.
 */
export async function addColumns(
  table: DeltaTable,
  columns: readonly NewColumn[],
  options: AlterOptions = {},
): Promise<WriteOutcome> {
  return alterTable(table, options, ({ schema }) => {
    if (columns.length === 0) return undefined
    const added = columns.map(({ path, type, comment }) => {
      const names = parsePath(path)
      const metadata = comment === undefined ? {} : { comment }
      const field: Field = { name: names.at(-1) ?? '', type, nullable: true, metadata }
      return { parent: names.slice(0, -1), field }
    })
    return {
      schema: added.reduce((sum, { parent, field }) => withField(sum, parent, field), schema),
      operation: {
        name: 'ADD COLUMNS',
        parameters: {
          columns: formatJson(
            added.map(({ parent, field }) => ({
              column: { ...field, name: pathText([...parent, field.name]) },
            })),
          ),
        },
      },
    }
  })
}

function withField(schema: StructType, parent: readonly string[], field: Field): StructType {
  if (parent.length === 0) return appended(schema, [], field)
  // The struct of an array or a map is named by `element`, `key` or `value`, which are no fields.
  const steps = parent.findLastIndex((_, index) => {
    try {
      findField(schema, parent.slice(0, index + 1))
      return true
    } catch {
      return false
    }
  })
  const owner = parent.slice(0, steps + 1)
  const inner = parent.slice(steps + 1)
  return changeField(schema, owner.length === 0 ? parent : owner, (own, path) => [
    { ...own, type: withFieldInside(own.type, inner, [...path], field) },
  ])
}

function withFieldInside(
  type: DataType,
  [step, ...rest]: readonly string[],
  at: readonly string[],
  field: Field,
): DataType {
  if (typeof type !== 'string') {
    if (type.type === 'struct' && step === undefined) return appended(type, at, field)
    const next = (of: DataType): DataType => withFieldInside(of, rest, [...at, step ?? ''], field)
    if (type.type === 'array' && step === 'element') return { ...type, elementType: next(type.elementType) }
    if (type.type === 'map' && step === 'key') return { ...type, keyType: next(type.keyType) }
    if (type.type === 'map' && step === 'value') return { ...type, valueType: next(type.valueType) }
  }
  throw new LakeError(
    'SCHEMA_MISMATCH',
    `Column ${pathText([...at, field.name])}: ${pathText(at)} is ${typeName(type)} and holds no fields`,
    { details: { column: pathText(at) } },
  )
}

function appended(struct: StructType, at: readonly string[], field: Field): StructType {
  const there = struct.fields.find(({ name }) => isSameName(name, field.name))
  if (there === undefined) return structOf(...struct.fields, field)
  throw new LakeError('SCHEMA_MISMATCH', `Column ${pathText([...at, there.name])}: it already exists`, {
    details: { column: pathText([...at, there.name]) },
  })
}

/**
 * A partition column too: what it is called in files and in partition values stays.
 *
 * @param to The new name, without the path.
 * @throws LakeError `PROTOCOL_UNSUPPORTED` for a table that does not map its columns, `SCHEMA_MISMATCH` naming what
 * uses the column, and as `alterTable` does.
 */
export async function renameColumn(
  table: DeltaTable,
  column: ColumnPath,
  to: string,
  options: AlterOptions = {},
): Promise<WriteOutcome> {
  return alterTable(table, options, async (snapshot) => {
    requireMapped(snapshot, table.uri, 'renamed')
    const { path } = findField(snapshot.schema, parsePath(column))
    if (path.at(-1) === to) return undefined
    await unused(table, snapshot, path, 'rename', options, ['partition'])
    const isTop = path.length === 1
    return {
      schema: changeField(snapshot.schema, path, (field) => [{ ...field, name: to }]),
      partitionColumns: snapshot.partitionColumns.map((name) => (isTop && name === path[0] ? to : name)),
      operation: {
        name: 'RENAME COLUMN',
        parameters: { oldColumnPath: pathText(path), newColumnPath: pathText([...path.slice(0, -1), to]) },
      },
    }
  })
}

/** @throws LakeError as `renameColumn` does. */
export async function dropColumn(
  table: DeltaTable,
  column: ColumnPath,
  options: AlterOptions = {},
): Promise<WriteOutcome> {
  return alterTable(table, options, async (snapshot) => {
    requireMapped(snapshot, table.uri, 'dropped')
    const { path } = findField(snapshot.schema, parsePath(column))
    await unused(table, snapshot, path, 'drop', options)
    const schema = changeField(snapshot.schema, path, () => [])
    if (schema.fields.length === snapshot.partitionColumns.length) {
      throw new LakeError(
        'SCHEMA_MISMATCH',
        `Cannot drop column ${pathText(path)}: only partition columns would be left`,
        {
          details: { column: pathText(path) },
        },
      )
    }
    return {
      schema,
      operation: { name: 'DROP COLUMNS', parameters: { columns: formatJson([pathText(path)]) } },
    }
  })
}

/**
 * Gives a column a wider type. Files keep the narrower one, and are read as the wider.
 *
 * @throws LakeError `SCHEMA_MISMATCH` for a type that does not hold every value of the old one, or naming what uses
 * the column, and as `alterTable` does.
 */
export async function widenColumn(
  table: DeltaTable,
  column: ColumnPath,
  to: PrimitiveType,
  options: AlterOptions = {},
): Promise<WriteOutcome> {
  return alterTable(table, options, async (snapshot) => {
    const { field, path } = findField(snapshot.schema, parsePath(column))
    const { type: from } = field
    if (from === to) return undefined
    requireWidening(pathText(path), from, to)
    if (typeof from !== 'string') return undefined
    await unused(table, snapshot, path, 'widen', options, ['partition', 'statistics'])
    const widened = withTypeChange({ ...field, type: to }, [], from, to)
    return {
      schema: changeField(snapshot.schema, path, () => [widened]),
      properties: { ...snapshot.metadata.configuration, [tableProperties.enableTypeWidening.name]: 'true' },
      operation: changeColumn(path, widened),
    }
  })
}

/**
 * Forbids nulls in a column, or in a field wherever its struct is there. Rows that there are, are looked at first.
 *
 * @throws LakeError `CONSTRAINT_VIOLATED` where a row has null there, and as `alterTable` does.
 */
export async function setNotNull(
  table: DeltaTable,
  column: ColumnPath,
  options: AlterOptions = {},
): Promise<WriteOutcome> {
  const { signal } = options
  return alterTable(table, options, async (snapshot) => {
    const { field, path } = findField(snapshot.schema, parsePath(column))
    if (!field.nullable) return undefined
    const required = { ...field, nullable: false }
    const schema = changeField(snapshot.schema, path, () => [required])
    const [top = ''] = path
    const now = schema.fields.find(({ name }) => name === top)
    const conditions = now === undefined ? [] : isNeverNull(now)
    await table.duckdb.use(async (session) => {
      const scan = await table.scan(session, snapshot, { columns: [top], signal })
      const violating = await session.rows(
        `select 1 from (${scan}) where (${conditions.map((sql) => `(${sql})`).join(' and ')}) is not true limit 1`,
        { signal },
      )
      if (violating.length === 0) return
      throw new LakeError('CONSTRAINT_VIOLATED', `${table.uri}: a row has null in ${pathText(path)}`, {
        details: { uri: table.uri, column: pathText(path), fault: 'column-has-nulls' },
      })
    })
    return { schema, reads: { kind: 'table' }, operation: changeColumn(path, required) }
  })
}

/** Allows nulls in a column again. @throws LakeError as `alterTable` does. */
export async function dropNotNull(
  table: DeltaTable,
  column: ColumnPath,
  options: AlterOptions = {},
): Promise<WriteOutcome> {
  return alterTable(table, options, ({ schema }) => {
    const { field, path } = findField(schema, parsePath(column))
    if (field.nullable) return undefined
    const nullable = { ...field, nullable: true }
    return { schema: changeField(schema, path, () => [nullable]), operation: changeColumn(path, nullable) }
  })
}

/** Sets the comment of a column. @throws LakeError as `alterTable` does. */
export async function setComment(
  table: DeltaTable,
  column: ColumnPath,
  comment: string,
  options: AlterOptions = {},
): Promise<WriteOutcome> {
  return alterTable(table, options, ({ schema }) => {
    const { field, path } = findField(schema, parsePath(column))
    if (field.metadata['comment'] === comment) return undefined
    const described = { ...field, metadata: { ...field.metadata, comment } }
    return { schema: changeField(schema, path, () => [described]), operation: changeColumn(path, described) }
  })
}

function changeColumn(
  path: readonly string[],
  field: Field,
): { readonly name: string; readonly parameters: { readonly column: string } } {
  const column = formatJson({ ...field, name: pathText(path) })
  return { name: 'CHANGE COLUMN', parameters: { column } }
}

function unused(
  table: DeltaTable,
  snapshot: Snapshot,
  path: readonly string[],
  doing: string,
  { signal }: AlterOptions,
  ignoring: NonNullable<Parameters<typeof requireUnused>[3]['ignoring']> = [],
): Promise<void> {
  return table.duckdb.use((session) => requireUnused(session, snapshot, path, { doing, ignoring, signal }))
}

function requireMapped({ columnMapping }: Snapshot, uri: string, what: string): void {
  if (columnMapping !== 'none') return
  throw new LakeError(
    'PROTOCOL_UNSUPPORTED',
    `${uri}: a column can be ${what} only where columns are mapped`,
    {
      details: { uri, fault: 'columns-not-mapped' },
    },
  )
}
