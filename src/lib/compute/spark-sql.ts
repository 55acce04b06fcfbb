/** SQL for Spark: names, types, and values as the log of a table writes them. */
import { LakeError } from '../base/errors.ts'
import type { DataType, Field, PartitionValue } from '../delta/index.ts'
import type { SparkType } from '../spark-connect/spark-connect.ts'

export function sparkName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

/** In single quotes a backslash begins an escape. */
export function sparkText(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'STRING',
  long: 'BIGINT',
  integer: 'INT',
  short: 'SMALLINT',
  byte: 'TINYINT',
  float: 'FLOAT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  binary: 'BINARY',
  date: 'DATE',
  timestamp: 'TIMESTAMP',
  timestamp_ntz: 'TIMESTAMP_NTZ',
}

/** @throws LakeError `PROTOCOL_UNSUPPORTED` for a type that not every engine has. */
export function sparkType(type: DataType): string {
  if (typeof type === 'string') {
    const name = type.startsWith('decimal(') ? type.toUpperCase() : typeNames[type]
    if (name !== undefined) return name
    throw new LakeError('PROTOCOL_UNSUPPORTED', `Engines: expected a type that all have, got ${type}`, {
      details: { type, fault: 'not-for-engines' },
    })
  }
  switch (type.type) {
    case 'array':
      return `ARRAY<${sparkType(type.elementType)}>`
    case 'map':
      return `MAP<${sparkType(type.keyType)}, ${sparkType(type.valueType)}>`
    case 'struct':
      return `STRUCT<${type.fields.map(({ name, type: of }) => `${sparkName(name)}: ${sparkType(of)}`).join(', ')}>`
  }
}

/** Columns as DDL. */
export function sparkColumns(fields: readonly Field[]): string {
  return fields.map(({ name, type }) => `${sparkName(name)} ${sparkType(type)}`).join(', ')
}

/** A partition value; as everywhere in the log, the empty text is null. */
export function partitionSql({ type, value }: PartitionValue): string {
  const sqlType = sparkType(type)
  if (value === null || value === '') return `CAST(NULL AS ${sqlType})`
  return type === 'string' ? sparkText(value) : `CAST(${sparkText(value)} AS ${sqlType})`
}

/** True of the rows of a partition. */
export function isInPartition(values: readonly PartitionValue[]): string {
  const conditions = values.map((each) => `${sparkName(each.name)} <=> ${partitionSql(each)}`)
  return `(${conditions.join(' AND ')})`
}

const scalars = [
  'binary',
  'boolean',
  'byte',
  'short',
  'integer',
  'long',
  'float',
  'double',
  'string',
  'date',
  'timestamp',
  'timestamp_ntz',
] as const

/** Spark's type as SQL; of a type that we do not know, what is known of it. */
export function typeText(type: SparkType | undefined): string {
  if (type === undefined) return 'UNKNOWN'
  if (type.null !== undefined) return 'VOID'
  if (type.char !== undefined || type.var_char !== undefined) return 'STRING'
  const scalar = scalars.find((name) => type[name] !== undefined)
  if (scalar !== undefined) return typeNames[scalar] ?? scalar
  if (type.decimal !== undefined) return `DECIMAL(${type.decimal.precision ?? 10},${type.decimal.scale ?? 0})`
  if (type.array !== undefined) return `ARRAY<${typeText(type.array.element_type)}>`
  if (type.map !== undefined) return `MAP<${typeText(type.map.key_type)}, ${typeText(type.map.value_type)}>`
  if (type.struct !== undefined) {
    const fields = type.struct.fields ?? []
    return `STRUCT<${fields.map(({ name, data_type: of }) => `${sparkName(name)}: ${typeText(of)}`).join(', ')}>`
  }
  return 'UNKNOWN'
}

/** Types, each with those whose every value it holds too. */
const wider: Readonly<Record<string, readonly string[]>> = {
  TINYINT: ['SMALLINT', 'INT', 'BIGINT', 'FLOAT', 'DOUBLE'],
  SMALLINT: ['INT', 'BIGINT', 'FLOAT', 'DOUBLE'],
  INT: ['BIGINT', 'DOUBLE'],
  FLOAT: ['DOUBLE'],
}

/** Whether a value of the one type is one of the other, whatever the value. */
export function isHeldBy(from: string, to: string): boolean {
  if (from === to || from === 'VOID' || wider[from]?.includes(to) === true) return true
  const [given, wanted] = [decimalOf(from), decimalOf(to)]
  if (wanted === undefined) return false
  const whole = given === undefined ? wholeDigits[from] : given.precision - given.scale
  if (whole === undefined) return false
  return (given?.scale ?? 0) <= wanted.scale && whole <= wanted.precision - wanted.scale
}

const wholeDigits: Readonly<Record<string, number>> = { TINYINT: 3, SMALLINT: 5, INT: 10, BIGINT: 19 }

function decimalOf(type: string): { readonly precision: number; readonly scale: number } | undefined {
  const { precision, scale } = /^DECIMAL\((?<precision>\d+),(?<scale>\d+)\)$/.exec(type)?.groups ?? {}
  return precision === undefined ? undefined : { precision: Number(precision), scale: Number(scale) }
}
