/**
 * From the columns of a data file to those of the schema: other names, further types, fields that are missing.
 *
 * Types of files are cast to types of the table by DuckDB, field by field; only names need text of ours.
 */
import { identifier } from '../duckdb/sql-text.ts'
import { type DataType, duckDbType, type Field, type StructType } from './schema.ts'

/** How a file, or a group of files alike, names the fields of the schema. */
export interface FileNames {
  /** `undefined` where the file has no such field: it is null. */
  nameOf(field: Field): string | undefined
  /** Any field of the struct in the file: it shows whether the struct is null where no field of ours is there. */
  witnessOf(struct: StructType): string | undefined
}

/** The DuckDB type that holds what a file has of `type`, under the names of the file. */
export function storedType(type: DataType, names: FileNames): string {
  if (typeof type === 'string') return duckDbType(type)
  switch (type.type) {
    case 'array':
      return `${storedType(type.elementType, names)}[]`
    case 'map':
      return `MAP(${storedType(type.keyType, names)}, ${storedType(type.valueType, names)})`
    case 'struct': {
      const fields = type.fields.flatMap((field) => {
        const name = names.nameOf(field)
        return name === undefined ? [] : [`${identifier(name)} ${storedType(field.type, names)}`]
      })
      const witness = names.witnessOf(type)
      if (fields.length === 0 && witness !== undefined) fields.push(`${identifier(witness)} VARCHAR`)
      return `STRUCT(${fields.join(', ')})`
    }
  }
}

/** SQL for `value`, which is of the stored type, as a value of the table's type. */
export function valueSql(value: string, type: DataType, names: FileNames, depth = 0): string {
  if (typeof type === 'string' || isPlain(type, names)) return value
  const item = `x${depth}`
  const inner = (part: string, of: DataType): string => valueSql(part, of, names, depth + 1)
  switch (type.type) {
    case 'array':
      return `list_transform(${value}, lambda ${item}: ${inner(item, type.elementType)})`
    case 'map':
      return `map_from_entries(list_transform(map_entries(${value}), lambda ${item}: struct_pack(k := ${inner(`${item}.key`, type.keyType)}, v := ${inner(`${item}.value`, type.valueType)})))`
    case 'struct': {
      const fields = type.fields.map((field) => {
        const name = names.nameOf(field)
        const part =
          name === undefined
            ? `null::${duckDbType(field.type)}`
            : inner(`${value}.${identifier(name)}`, field.type)
        return `${identifier(field.name)} := ${part}`
      })
      return `case when ${value} is null then null else struct_pack(${fields.join(', ')}) end`
    }
  }
}

function isPlain(type: DataType, names: FileNames): boolean {
  if (typeof type === 'string') return true
  switch (type.type) {
    case 'array':
      return isPlain(type.elementType, names)
    case 'map':
      return isPlain(type.keyType, names) && isPlain(type.valueType, names)
    case 'struct':
      return type.fields.every((field) => names.nameOf(field) === field.name && isPlain(field.type, names))
  }
}

/** Whether `type` is, or holds at any depth, a type for which `is` is true. */
export function holds(type: DataType, is: (type: DataType) => boolean): boolean {
  if (is(type)) return true
  if (typeof type === 'string') return false
  switch (type.type) {
    case 'array':
      return holds(type.elementType, is)
    case 'map':
      return holds(type.keyType, is) || holds(type.valueType, is)
    case 'struct':
      return type.fields.some((field) => holds(field.type, is))
  }
}
