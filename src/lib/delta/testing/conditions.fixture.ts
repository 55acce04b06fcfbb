/** Random rows and random conditions over them, of every type that has an order and with the values at its edges. */
import type { DataType } from '../schema/schema.ts'
import { field, type StructType, structOf } from '../schema/schema.ts'

type Random = (below: number) => number

interface Column {
  readonly type: DataType
  readonly sqlType: string
  /** SQL. A null is added to each. */
  readonly values: readonly string[]
}

const columns: Readonly<Record<string, Column>> = {
  tiny: { type: 'byte', sqlType: 'tinyint', values: ['5', '-128', '127'] },
  whole: { type: 'integer', sqlType: 'integer', values: ['-1', '0', '5', '2147483647', '-2147483648'] },
  big: {
    type: 'long',
    sqlType: 'bigint',
    values: [
      '0',
      '-5',
      '9007199254740993',
      '9007199254740992',
      '9223372036854775807',
      '-9223372036854775808',
    ],
  },
  ratio: { type: 'float', sqlType: 'float', values: [`'nan'`, '0.1', '16777217', '-2.5', '3.4e38'] },
  amount: {
    type: 'double',
    sqlType: 'double',
    values: [`'nan'`, `'inf'`, `'-inf'`, '0.0', `'-0.0'`, '0.1', '1e300', '-1e-300'],
  },
  price: { type: 'decimal(6,2)', sqlType: 'decimal(6,2)', values: ['0', '1.25', '-9999.99', '9999.99'] },
  total: {
    type: 'decimal(22,2)',
    sqlType: 'decimal(22,2)',
    values: ['12345678901234567890.12', '12345678901234567890.13', '-1', '99999999999999999999.99'],
  },
  // Writers cut the bounds of texts after 32 characters.
  word: {
    type: 'string',
    sqlType: 'varchar',
    values: [
      ...[`''`, `'a'`, `'A'`, `'é'`, `'😀'`, `'10'`, `'9'`, `'it''s'`, `'a b'`, `'%'`, `'null'`, `'nan'`],
      ...['chr(1)', 'chr(55203)', 'chr(65535)', 'chr(1114111)'],
      ...[`repeat('z', 40)`, `repeat('z', 31) || 'é'`, `repeat('y', 20) || repeat('😀', 13)`],
    ],
  },
  bytes: { type: 'binary', sqlType: 'blob', values: [`'\\x00'`, `'\\xFF\\xFE'`, `'abc'`] },
  flag: { type: 'boolean', sqlType: 'boolean', values: ['true', 'false'] },
  day: {
    type: 'date',
    sqlType: 'date',
    values: [`'1970-01-01'`, `'2026-11-23'`, `'0001-01-01'`, `'9999-12-31'`, `'1582-10-10'`],
  },
  // Writers cut the bounds of times after the millisecond.
  moment: {
    type: 'timestamp',
    sqlType: 'timestamptz',
    values: [
      ...[`'2026-11-23 10:00:00.000001+00'`, `'2026-11-23 10:00:00.000999+00'`, `'2026-11-23 10:00:00+00'`],
      ...[`'1969-12-31 23:59:59.999999+00'`, `'9999-12-31 23:59:59.999999+00'`, `'0001-01-01 00:00:00+00'`],
    ],
  },
  local: {
    type: 'timestamp_ntz',
    sqlType: 'timestamp',
    values: [`'2026-11-23 10:00:00.000001'`, `'2026-11-23 10:00:00.000999'`, `'1969-12-31 23:59:59.9999'`],
  },
}

const names = Object.keys(columns)
const numbers = ['tiny', 'whole', 'big', 'ratio', 'amount', 'price', 'total']
const times = ['day', 'moment', 'local']
const fields = Object.entries(columns).map(([name, { type }]) => field(name, type))

/** Each column twice: by itself, and in the struct `nested`. */
export const conditionSchema: StructType = structOf(...fields, field('nested', structOf(...fields)))

function pick<T>(random: Random, of: readonly T[]): T {
  const found = of[random(of.length)]
  if (found === undefined) throw new Error('Nothing to pick from')
  return found
}

function value(random: Random, name: string): string {
  const column = columns[name]
  if (column === undefined) throw new Error(`No column ${name}`)
  return `(${pick(random, [...column.values, 'null'])})::${column.sqlType}`
}

/** None, one or two; binary is none of them. */
export function randomPartitions(random: Random): readonly string[] {
  const possible = names.filter((name) => name !== 'bytes')
  return [...new Set(Array.from({ length: random(3) }, () => pick(random, possible)))]
}

/** A SELECT. */
export function randomRows(random: Random, count: number): string {
  const row = (): string => {
    const own = names.map((name) => `${value(random, name)} as ${name}`)
    const nested = names.map((name) => `${name} := ${value(random, name)}`)
    return `select ${own.join(', ')}, ${random(5) === 0 ? 'null' : `struct_pack(${nested.join(', ')})`} as nested`
  }
  return Array.from({ length: count }, row).join(' union all ')
}

/** SQL. @param depth of operators over the comparisons. */
export function randomCondition(random: Random, depth: number): string {
  if (depth === 0 || random(3) === 0) return comparison(random)
  const part = (): string => randomCondition(random, depth - 1)
  return pick(random, [
    () => `(${part()} and ${part()})`,
    () => `(${part()} or ${part()})`,
    () => `(not ${part()})`,
    () => `case when ${part()} then ${part()} else ${part()} end`,
  ])()
}

function comparison(random: Random): string {
  const name = pick(random, names)
  const column = random(6) === 0 ? `nested.${name}` : name
  const other = (): string => value(random, name)
  const operator = pick(random, ['=', '<>', '<', '<=', '>', '>='])
  const text = pick(random, [`'a%'`, `'%'`, `'z%'`, `'_'`, `'é%'`, `'😀%'`, `''`])
  const number = pick(random, [
    '0.5',
    '1',
    '9007199254740993',
    '1e18',
    '127.4',
    '-2147483649',
    '1.255',
    `'5'`,
  ])
  const time = pick(random, [`'2026-11-23'`, `date '2026-11-23'`, `timestamp '2026-11-23 10:00:00.0005'`])
  return pick(random, [
    () => `${column} ${operator} ${other()}`,
    () => `${other()} ${operator} ${column}`,
    () => `${column} is ${pick(random, ['', 'not '])}distinct from ${other()}`,
    () => `${column} is ${pick(random, ['', 'not '])}null`,
    () => `${column} ${pick(random, ['', 'not '])}in (${other()}, ${other()})`,
    () => `${column} between ${other()} and ${other()}`,
    () => `${name} ${operator} nested.${name}`,
    () => `coalesce(${column}, ${other()}) = ${other()}`,
    () => `(${column} = ${other()}) = ${pick(random, ['true', 'false'])}`,
    () => `word ${pick(random, ['', 'not '])}like ${text}`,
    () => `starts_with(word, ${text})`,
    () => `${pick(random, numbers)} ${operator} ${number}`,
    () => `${pick(random, times)} ${operator} ${time}`,
  ])()
}
