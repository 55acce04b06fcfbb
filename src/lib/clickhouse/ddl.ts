/** Tables and views of ClickHouse as declarations: makes their DDL, and compares them with what exists. */
import { createHash } from 'node:crypto'
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
  /** Came to the declaration later: `ensureTables` adds it to a table that is there without it. */
  readonly isLater?: boolean
}

export type TableEngine =
  | { readonly kind: 'MergeTree' }
  /** Of the rows with equal `orderBy` the one with the greatest `version` is kept, some day. */
  | { readonly kind: 'ReplacingMergeTree'; readonly version?: string }

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

function createDatabase(name: string): string {
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
  }
}

/**
 * Makes the tables that are missing, adds to those that are there the columns that came later, and proves that
 * they have the declared ones. Where all are there it asks once and changes nothing. Many processes may do so
 * at once.
 * @throws LakeError `SCHEMA_MISMATCH` naming the first column that differs.
 */
export async function ensureTables(
  clickhouse: ClickHouse,
  tables: readonly TableDeclaration[],
  options: IoOptions = {},
): Promise<void> {
  const before = await readColumns(clickhouse, tables, options)
  const missing = tables.filter(({ name }) => !before.has(name))
  for (const database of new Set(missing.map(({ name }) => placeOf(name).database))) {
    if (database !== '') await clickhouse.command(createDatabase(database), options)
  }
  for (const table of missing) await clickhouse.command(createTable(table), options)
  const made = missing.length === 0 ? before : await readColumns(clickhouse, tables, options)
  let isAltered = false
  for (const table of tables) {
    const there = made.get(table.name) ?? []
    const additions = table.columns
      .filter(({ name, isLater }) => isLater === true && !there.some((column) => column.name === name))
      .map((column) => `ADD COLUMN IF NOT EXISTS ${columnText(column)}`)
    if (additions.length === 0) continue
    await clickhouse.command(`ALTER TABLE ${quoteTable(table.name)} ${additions.join(', ')}`, options)
    isAltered = true
  }
  const found = isAltered ? await readColumns(clickhouse, tables, options) : made
  for (const table of tables) {
    const fault = differenceOf(table.columns, found.get(table.name) ?? [])
    if (fault === undefined) continue
    throw new LakeError('SCHEMA_MISMATCH', `table ${table.name} in ClickHouse: ${fault}`, {
      details: { table: table.name, fault: 'foreign-table' },
    })
  }
}

export interface ViewDeclaration {
  /** `database.view`. */
  readonly name: string
  readonly select: string
}

/**
 * Makes each view that is missing or was made of another text: its comment holds a digest of the text, which a
 * view that was made by hand has not. Many processes may do so at once.
 */
export async function ensureViews(
  clickhouse: ClickHouse,
  views: readonly ViewDeclaration[],
  options: IoOptions = {},
): Promise<void> {
  const found = await clickhouse.query<Placed & { readonly comment: string }>(
    `SELECT database, name AS table, toBool(database = currentDatabase()) AS isCurrent, comment
     FROM system.tables
     WHERE engine = 'View' AND (database, name) IN (${views.map(({ name }) => placeText(name)).join(', ')})`,
    options,
  )
  for (const { name, select } of views) {
    const digest = `sha256 ${createHash('sha256').update(select).digest('hex')}`
    if (found.some((view) => isAt(name, view) && view.comment === digest)) continue
    const sql = `CREATE OR REPLACE VIEW ${quoteTable(name)} AS ${select}\nCOMMENT ${quoteLiteral(digest)}`
    await clickhouse.command(sql, options)
  }
}

interface Place {
  /** Empty: the current one. */
  readonly database: string
  readonly table: string
}

function placeOf(name: string): Place {
  const dot = name.indexOf('.')
  return { database: name.slice(0, Math.max(0, dot)), table: name.slice(dot + 1) }
}

function placeText(name: string): string {
  const { database, table } = placeOf(name)
  return `(${database === '' ? 'currentDatabase()' : quoteLiteral(database)}, ${quoteLiteral(table)})`
}

/** A table or view of the server, as `system.columns` and `system.tables` name it. */
interface Placed extends Place {
  readonly isCurrent: boolean
}

const isAt = (name: string, { database, table, isCurrent }: Placed): boolean => {
  const place = placeOf(name)
  return place.table === table && (place.database === '' ? isCurrent : place.database === database)
}

/** Name in the declarations → the columns of the table that is there, in their order. */
async function readColumns(
  clickhouse: ClickHouse,
  tables: readonly TableDeclaration[],
  options: IoOptions,
): Promise<ReadonlyMap<string, readonly Column[]>> {
  const found = await clickhouse.query<Column & Placed>(
    `SELECT database, table, toBool(database = currentDatabase()) AS isCurrent, name, type FROM system.columns
     WHERE (database, table) IN (${tables.map(({ name }) => placeText(name)).join(', ')})
     ORDER BY database, table, position`,
    options,
  )
  const columns = tables.map(({ name }) => [name, found.filter((column) => isAt(name, column))] as const)
  return new Map(columns.filter(([, there]) => there.length > 0))
}

/** In words, the first column in which `found` is not what is declared; undefined where all are. */
function differenceOf(declared: readonly Column[], found: readonly Column[]): string | undefined {
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
