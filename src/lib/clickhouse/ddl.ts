/** Tables of ClickHouse as data: their DDL, and whether the table that is there is the one declared. */
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import type { ClickHouse } from './clickhouse.ts'
import { quoteIdentifier, quoteLiteral, quoteTable } from './quote.ts'

export interface ColumnDeclaration {
  readonly name: string
  /** A type as ClickHouse spells it: `DateTime64(6, 'UTC')`. */
  readonly type: string
  /** SQL of the DEFAULT expression. */
  readonly default?: string
  readonly comment?: string
  /** Came to the declaration later: `ensureTable` adds it to a table that is there without it. */
  readonly isLater?: boolean
}

export type TableEngine =
  | { readonly kind: 'MergeTree' }
  /** Of the rows with equal `orderBy` the one with the greatest `version` is kept, some day. */
  | { readonly kind: 'ReplacingMergeTree'; readonly version?: string }
  | { readonly kind: 'SummingMergeTree'; readonly columns?: readonly string[] }

export interface TableDeclaration {
  /** `database.table`. */
  readonly name: string
  readonly columns: readonly ColumnDeclaration[]
  readonly engine: TableEngine
  /** SQL expressions, most often names of columns. Empty: no order. */
  readonly orderBy: readonly string[]
  /** SQL expression. */
  readonly partitionBy?: string
  readonly settings?: Readonly<Record<string, string | number>>
  readonly comment?: string
}

export interface Column {
  readonly name: string
  readonly type: string
}

export function createDatabase(name: string): string {
  return `CREATE DATABASE IF NOT EXISTS ${quoteIdentifier(name)}`
}

/** `CREATE TABLE IF NOT EXISTS …`: safe to repeat; says nothing about a table of that name that differs. */
export function createTable(table: TableDeclaration): string {
  const columns = table.columns.map((column) => `  ${columnText(column)}`)
  const settings = Object.entries(table.settings ?? {}).map(
    ([name, value]) => `${name} = ${typeof value === 'number' ? value : quoteLiteral(value)}`,
  )
  return [
    `CREATE TABLE IF NOT EXISTS ${quoteTable(table.name)} (\n${columns.join(',\n')}\n)`,
    `ENGINE = ${engineText(table.engine)}`,
    ...(table.partitionBy === undefined ? [] : [`PARTITION BY ${table.partitionBy}`]),
    `ORDER BY (${table.orderBy.join(', ')})`,
    ...(settings.length === 0 ? [] : [`SETTINGS ${settings.join(', ')}`]),
    ...(table.comment === undefined ? [] : [`COMMENT ${quoteLiteral(table.comment)}`]),
  ].join('\n')
}

function columnText({ name, type, default: value, comment }: ColumnDeclaration): string {
  return (
    `${quoteIdentifier(name)} ${type}` +
    (value === undefined ? '' : ` DEFAULT ${value}`) +
    (comment === undefined ? '' : ` COMMENT ${quoteLiteral(comment)}`)
  )
}

function engineText(engine: TableEngine): string {
  switch (engine.kind) {
    case 'MergeTree':
      return 'MergeTree'
    case 'ReplacingMergeTree':
      return `ReplacingMergeTree(${engine.version === undefined ? '' : quoteIdentifier(engine.version)})`
    case 'SummingMergeTree':
      return `SummingMergeTree((${(engine.columns ?? []).map(quoteIdentifier).join(', ')}))`
  }
}

const columnsOf = `SELECT name, type FROM system.columns
WHERE database = if({database:String} = '', currentDatabase(), {database:String}) AND table = {table:String}
ORDER BY position`

/** The columns of the table that is there, in their order; empty where there is no such table. */
export async function readColumns(
  clickhouse: ClickHouse,
  name: string,
  options: IoOptions = {},
): Promise<readonly Column[]> {
  const dot = name.indexOf('.')
  const params = { database: name.slice(0, Math.max(0, dot)), table: name.slice(dot + 1) }
  return await clickhouse.query<Column>(columnsOf, { ...options, params })
}

/**
 * Makes the table where it is missing, adds to one that is there the columns that came later, and proves that
 * it has the declared ones. Many processes may do so at once.
 * @throws LakeError `SCHEMA_MISMATCH` naming the first column that differs.
 */
export async function ensureTable(
  clickhouse: ClickHouse,
  table: TableDeclaration,
  options: IoOptions = {},
): Promise<void> {
  const dot = table.name.indexOf('.')
  if (dot > 0) await clickhouse.command(createDatabase(table.name.slice(0, dot)), options)
  await clickhouse.command(createTable(table), options)
  let found = await readColumns(clickhouse, table.name, options)
  const missing = table.columns.filter(
    ({ name, isLater }) => isLater === true && !found.some((column) => column.name === name),
  )
  if (missing.length > 0) {
    const additions = missing.map((column) => `ADD COLUMN IF NOT EXISTS ${columnText(column)}`)
    await clickhouse.command(`ALTER TABLE ${quoteTable(table.name)} ${additions.join(', ')}`, options)
    found = await readColumns(clickhouse, table.name, options)
  }
  const fault = differenceOf(table.columns, found)
  if (fault === undefined) return
  throw new LakeError('SCHEMA_MISMATCH', `table ${table.name} in ClickHouse: ${fault}`, {
    details: { table: table.name },
    hint: 'The table was made by another version or by hand: rename it or drop it, then run again.',
  })
}

/** In words, the first column in which `found` is not what is declared; undefined where all are. */
export function differenceOf(declared: readonly Column[], found: readonly Column[]): string | undefined {
  for (const [place, column] of declared.entries()) {
    const same = found.find(({ name }) => name === column.name)
    if (same === undefined) return `expected a column ${column.name} ${column.type}, got none of that name`
    if (spelling(same.type) !== spelling(column.type)) {
      return `expected column ${column.name} to be ${column.type}, got ${same.type}`
    }
    if (found[place]?.name !== column.name) {
      return `expected column ${column.name} at place ${place + 1}, got ${found[place]?.name ?? 'nothing'} there`
    }
  }
  const extra = found[declared.length]
  return extra === undefined ? undefined : `got a column ${extra.name} ${extra.type} that is not declared`
}

/** Blanks within a type mean nothing, save in its texts, which our declarations keep without blanks. */
const spelling = (type: string): string => type.replace(/\s+/g, '')
