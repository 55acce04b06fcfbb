/**
 * Columns at any depth by their path: `address.city`, `items.element.price`, `` `a.b`.c ``.
 *
 * Names are found ignoring case, and no two beside each other are the same but for case.
 */

import { LakeError } from '../../base/errors.ts'
import { someOf } from '../../base/some-of.ts'
import { mostColumns } from '../../duckdb/column-type.ts'
import { isSameName } from './names.ts'
import type { DataType, Field, StructType } from './schema.ts'
import { fieldsOf } from './walk.ts'

/** Names from the outside in; a text has dots between them, and backticks around a name with a dot. */
export type ColumnPath = string | readonly string[]

/** @throws LakeError `COLUMN_MISSING` for a text that is no path. */
export function parsePath(path: ColumnPath): readonly string[] {
  if (typeof path !== 'string') return path
  const names: string[] = []
  const part = /(?:`((?:[^`]|``)+)`|([^.`]+))(\.|$)/y
  while (part.lastIndex < path.length || names.length === 0) {
    const found = part.exec(path)
    if (found === null)
      throw new LakeError('COLUMN_MISSING', `Column ${path}: expected names with dots between`)
    names.push(found[1]?.replaceAll('``', '`') ?? found[2] ?? '')
    if (found[3] === '') return names
  }
  throw new LakeError('COLUMN_MISSING', `Column ${path}: expected a name after the last dot`)
}

export function pathText(path: readonly string[]): string {
  return path.map((name) => (/[.`]/.test(name) ? `\`${name.replaceAll('`', '``')}\`` : name)).join('.')
}

export interface Found {
  readonly field: Field
  /** In the spelling of the schema. */
  readonly path: readonly string[]
}

/** @throws LakeError `COLUMN_MISSING` naming the columns there are. */
export function findField(schema: StructType, path: readonly string[]): Found {
  let found: Field | undefined
  const spelled: string[] = []
  changeField(schema, path, (field, at) => {
    found = field
    spelled.push(...at)
    return [field]
  })
  if (found === undefined) throw new LakeError('BUG', `Column ${pathText(path)}: not found`)
  return { field: found, path: spelled }
}

/**
 * The schema with other fields in the place of one.
 *
 * @throws LakeError `COLUMN_MISSING` naming the columns there are, `SCHEMA_MISMATCH` where no field would be left.
 */
export function changeField(
  schema: StructType,
  path: readonly string[],
  change: (field: Field, path: readonly string[]) => readonly Field[],
): StructType {
  return changeStruct(schema, path, { at: [], change, whole: path })
}

interface Visit {
  readonly at: readonly string[]
  readonly change: (field: Field, path: readonly string[]) => readonly Field[]
  readonly whole: readonly string[]
}

function changeStruct(
  struct: StructType,
  [name = '', ...inner]: readonly string[],
  { at, change, whole }: Visit,
): StructType {
  const index = struct.fields.findIndex((field) => isSameName(field.name, name))
  const field = struct.fields[index]
  if (field === undefined) throw missing(whole, struct)
  const own = [...at, field.name]
  const changed =
    inner.length === 0
      ? change(field, own)
      : [{ ...field, type: changeInside(field.type, inner, { at: own, change, whole }) }]
  const fields = struct.fields.toSpliced(index, 1, ...changed)
  if (fields.length > 0) return { ...struct, fields }
  throw new LakeError('SCHEMA_MISMATCH', `Column ${pathText(own)}: it is the only column and must stay`, {
    details: { column: pathText(own) },
  })
}

function changeInside(type: DataType, path: readonly string[], visit: Visit): DataType {
  if (typeof type !== 'string') {
    if (type.type === 'struct') return changeStruct(type, path, visit)
    const [step = '', ...rest] = path
    const next = (of: DataType): DataType =>
      changeInside(of, rest, { ...visit, at: [...visit.at, step.toLowerCase()] })
    if (rest.length > 0) {
      if (type.type === 'array' && isSameName(step, 'element')) {
        return { ...type, elementType: next(type.elementType) }
      }
      if (type.type === 'map' && isSameName(step, 'key')) return { ...type, keyType: next(type.keyType) }
      if (type.type === 'map' && isSameName(step, 'value')) {
        return { ...type, valueType: next(type.valueType) }
      }
    }
  }
  throw missing(visit.whole)
}

function missing(path: readonly string[], struct?: StructType): LakeError {
  const known = struct === undefined ? '' : `; there are ${someOf(struct.fields.map(({ name }) => name))}`
  return new LakeError('COLUMN_MISSING', `No column ${pathText(path)}${known}`, {
    details: { column: pathText(path) },
  })
}

/** @throws LakeError `SCHEMA_MISMATCH` where there are more columns, with those within them, than can be read at once. */
export function requireNarrow(schema: StructType): void {
  const count = fieldsOf(schema).length
  if (count <= mostColumns) return
  throw new LakeError(
    'SCHEMA_MISMATCH',
    `The table would have ${count} columns, and ${mostColumns} are the most`,
    {
      details: { count, fault: 'too-many-columns' },
    },
  )
}

/** @throws LakeError `SCHEMA_MISMATCH` naming two columns that differ only in case, or one without a name. */
export function requireUniqueNames(type: DataType, at: readonly string[] = []): void {
  if (typeof type === 'string') return
  switch (type.type) {
    case 'struct': {
      const seen = new Map<string, string>()
      for (const { name, type: inner } of type.fields) {
        const before = seen.get(name.toLowerCase())
        if (before !== undefined || name === '') {
          throw new LakeError(
            'SCHEMA_MISMATCH',
            name === ''
              ? `Column ${pathText(at)}: a name is empty`
              : `Columns ${pathText([...at, before ?? ''])} and ${pathText([...at, name])}: names must differ by more than case`,
            { details: { column: pathText([...at, name]) } },
          )
        }
        seen.set(name.toLowerCase(), name)
        requireUniqueNames(inner, [...at, name])
      }
      return
    }
    case 'array':
      requireUniqueNames(type.elementType, [...at, 'element'])
      return
    case 'map':
      requireUniqueNames(type.keyType, [...at, 'key'])
      requireUniqueNames(type.valueType, [...at, 'value'])
  }
}
