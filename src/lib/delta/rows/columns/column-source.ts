/**
 * SQL that maps the columns of a data file to those of the schema: other names, wider types, missing fields.
 *
 * DuckDB casts the types of the file to those of the table, field by field. Only fields whose names differ need SQL.
 */
import { createHash } from 'node:crypto'
import { identifier } from '../../../duckdb/sql-text.ts'
import {
  type ArrayType,
  type DataType,
  duckDbType,
  type Field,
  type MapType,
  type StructType,
} from '../../schema/schema.ts'

/** How a file, or a group of files alike, names the fields of the schema. */
export interface FileNames {
  /** `undefined` where the file has no such field: it is null. */
  nameOf(field: Field): string | undefined
  /** Any field of the struct in the file: it shows whether the struct is null where no field of ours is there. */
  witnessOf(struct: StructType): string | undefined
  /**
   * The DuckDB type of the variant that is right within `holder`, where it is not the two binaries: a STRUCT with
   * `typed_value`, or the VARIANT that DuckDB makes of a group that Parquet knows as one.
   */
  variantType(holder: VariantHolder): string | undefined
}

/** A variant has no identity of its own: it is what a column, a list or a map holds. */
export type VariantHolder = Field | ArrayType | MapType

/** The function of DuckDB that puts variants of a type together again. */
export function unshredFunction(type: string): string {
  return `lake_variant_${createHash('sha256').update(type).digest('hex')}`
}

/** The DuckDB type that holds what a file has of `type`, under the names of the file. */
export function storedType(type: DataType, names: FileNames, holder?: VariantHolder): string {
  if (type === 'variant' && holder !== undefined) return names.variantType(holder) ?? duckDbType(type)
  if (typeof type === 'string') return duckDbType(type)
  switch (type.type) {
    case 'array':
      return `${storedType(type.elementType, names, type)}[]`
    case 'map':
      return `MAP(${storedType(type.keyType, names)}, ${storedType(type.valueType, names, type)})`
    case 'struct': {
      const fields = type.fields.flatMap((field) => {
        const name = names.nameOf(field)
        return name === undefined ? [] : [`${identifier(name)} ${storedType(field.type, names, field)}`]
      })
      const witness = names.witnessOf(type)
      if (fields.length === 0 && witness !== undefined) fields.push(`${identifier(witness)} VARCHAR`)
      return `STRUCT(${fields.join(', ')})`
    }
  }
}

/**
 * SQL for `value`, which is of the stored type of `field`, as a value of the table's type. Functions that it calls are
 * named by `unshredFunction`.
 */
export function valueSql(value: string, field: Field, names: FileNames): string {
  return partSql(value, field.type, { names, holder: field, depth: 0 })
}

interface Part {
  readonly names: FileNames
  readonly holder: VariantHolder
  readonly depth: number
}

function partSql(value: string, type: DataType, { names, holder, depth }: Part): string {
  const stored = type === 'variant' ? names.variantType(holder) : undefined
  if (stored !== undefined) return variantSql(value, stored)
  if (typeof type === 'string' || isPlain(type, names, holder)) return value
  const item = `x${depth}`
  const inner = (part: string, of: DataType, within: VariantHolder): string =>
    partSql(part, of, { names, holder: within, depth: depth + 1 })
  switch (type.type) {
    case 'array':
      return `list_transform(${value}, lambda ${item}: ${inner(item, type.elementType, type)})`
    case 'map':
      return `map_from_entries(list_transform(map_entries(${value}), lambda ${item}: struct_pack(k := ${inner(`${item}.key`, type.keyType, type)}, v := ${inner(`${item}.value`, type.valueType, type)})))`
    case 'struct': {
      const fields = type.fields.map((field) => {
        const name = names.nameOf(field)
        const part =
          name === undefined
            ? `null::${duckDbType(field.type)}`
            : inner(`${value}.${identifier(name)}`, field.type, field)
        return `${identifier(field.name)} := ${part}`
      })
      return `case when ${value} is null then null else struct_pack(${fields.join(', ')}) end`
    }
  }
}

function variantSql(value: string, stored: string): string {
  const whole =
    stored === 'VARIANT'
      ? `variant_to_parquet_variant(${value})::${duckDbType('variant')}`
      : `struct_pack("value" := ${unshredFunction(stored)}(${value}), "metadata" := ${value}.metadata)`
  return `case when ${value} is null then null else ${whole} end`
}

function isPlain(type: DataType, names: FileNames, holder: VariantHolder): boolean {
  if (type === 'variant') return names.variantType(holder) === undefined
  if (typeof type === 'string') return true
  switch (type.type) {
    case 'array':
      return isPlain(type.elementType, names, type)
    case 'map':
      return isPlain(type.keyType, names, type) && isPlain(type.valueType, names, type)
    case 'struct':
      return type.fields.every(
        (field) => names.nameOf(field) === field.name && isPlain(field.type, names, field),
      )
  }
}
