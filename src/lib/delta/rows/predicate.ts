/**
 * The part of a condition that the partition values and the statistics of a file can answer.
 *
 * A file may be skipped only if none of its rows can satisfy the condition. Whatever is not understood becomes
 * `unknown`, which skips nothing. DuckDB does the comparisons, with bounds in place of values.
 */

import type { IoOptions } from '../../base/io.ts'
import type { JsonValue } from '../../base/json.ts'
import { timeFunctions } from '../../duckdb/current-time.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import {
  childrenOf,
  columnNames,
  nodeOf,
  nodesOf,
  parseExpression,
  printExpressions,
  type SyntaxNode,
} from '../../duckdb/expression.ts'
import { text } from '../../duckdb/sql-text.ts'
import { isSameName } from '../schema/names.ts'
import type { DataType, Field, StructType } from '../schema/schema.ts'

export type Comparison = '=' | '<>' | '<' | '<=' | '>' | '>='

/** A leaf of the schema that has statistics, by its fields from the top down. */
export type ColumnPath = readonly Field[]

export type Predicate =
  | { readonly kind: 'and' | 'or'; readonly of: readonly Predicate[] }
  | { readonly kind: 'not'; readonly of: Predicate }
  /** `literal` is SQL that names no column, of a type that compares in the order of the column's. */
  | {
      readonly kind: 'compare'
      readonly column: ColumnPath
      readonly comparison: Comparison
      readonly literal: string
    }
  | { readonly kind: 'isNull'; readonly column: ColumnPath }
  /** SQL over partition columns only: its value for a file is its value for each of the rows. */
  | { readonly kind: 'partition'; readonly sql: string }
  | { readonly kind: 'unknown' }

export interface PredicateContext extends IoOptions {
  readonly schema: StructType
  readonly partitionColumns: readonly string[]
  /** The table's alias, before a column: `t` in `t.id = s.id`. */
  readonly alias?: string
}

const comparisons: Readonly<Record<string, Comparison>> = {
  COMPARE_EQUAL: '=',
  COMPARE_NOTEQUAL: '<>',
  COMPARE_LESSTHAN: '<',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHAN: '>',
  COMPARE_GREATERTHANOREQUALTO: '>=',
}

const mirrored: Readonly<Record<Comparison, Comparison>> = {
  '=': '=',
  '<>': '<>',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
}

const unknown: Predicate = { kind: 'unknown' }

/** @throws LakeError `SQL_INVALID` when the text is not one expression. */
export async function parsePredicate(
  session: DuckDbSession,
  condition: string,
  context: PredicateContext,
): Promise<Predicate> {
  const tree = await parseExpression(session, condition, { signal: context.signal })
  const inconstant = await inconstantFunctions(session, tree, context)
  const reader = new PredicateReader(context, inconstant)
  const predicate = reader.read(await folded(session, tree, inconstant, context))
  const texts = await printExpressions(session, reader.printed, { signal: context.signal })
  return withTexts(predicate, texts)
}

/** Names of functions that may give another value for the same arguments. The list is long: it is asked for if needed. */
async function inconstantFunctions(
  session: DuckDbSession,
  tree: SyntaxNode,
  { signal }: IoOptions,
): Promise<ReadonlySet<string>> {
  if (![...nodesOf(tree)].some((node) => node['class'] === 'FUNCTION')) return new Set()
  const rows = await session.rows(
    `select distinct function_name as name from duckdb_functions() where stability is null or stability <> 'CONSISTENT'`,
    { signal },
  )
  return new Set([...rows.map(({ name }) => String(name)), ...timeFunctions])
}

/** The tree with each operand that is computed only from constants replaced by its value. */
async function folded(
  session: DuckDbSession,
  tree: SyntaxNode,
  inconstant: ReadonlySet<string>,
  { signal }: IoOptions,
): Promise<SyntaxNode> {
  const computed = [...nodesOf(tree)].flatMap(operandsOf).filter((node) => isComputed(node, inconstant))
  if (computed.length === 0) return tree
  try {
    const texts = await printExpressions(session, computed, { signal })
    const values = texts.map((sql, index) => `(${sql})::varchar as v${index}, typeof(${sql}) as t${index}`)
    const row = await session.row(`select ${values.join(', ')}`, { signal })
    const constants = new Map<SyntaxNode, SyntaxNode>()
    for (const [index, node] of computed.entries()) {
      const value = row[`v${index}`]
      const type = String(row[`t${index}`])
      if (typeof value !== 'string' || families[type.replace(/\(.*/, '')] === undefined) continue
      constants.set(node, await parseExpression(session, `cast(${text(value)} as ${type})`, { signal }))
    }
    return replaced(tree, constants)
  } catch {
    signal?.throwIfAborted()
    // What cannot be computed rules out nothing; evaluating the condition reports what is wrong with it.
    return tree
  }
}

function operandsOf(node: SyntaxNode): readonly SyntaxNode[] {
  const type = String(node['type'])
  const named = (...names: readonly string[]): readonly SyntaxNode[] =>
    names.map((name) => nodeOf(node[name])).filter((child) => child !== undefined)
  if (comparisons[type] !== undefined) return named('left', 'right')
  if (type === 'COMPARE_BETWEEN') return named('lower', 'upper')
  return type === 'COMPARE_IN' ? childrenOf(node).slice(1) : []
}

const classesOfConstants: ReadonlySet<unknown> = new Set(['CONSTANT', 'FUNCTION', 'CAST', 'OPERATOR', 'CASE'])

function isComputed(root: SyntaxNode, inconstant: ReadonlySet<string>): boolean {
  if (literalType(root).family !== undefined) return false
  for (const node of nodesOf(root)) {
    if (node['class'] === undefined) continue
    if (!classesOfConstants.has(node['class'])) return false
    if (node['class'] === 'FUNCTION' && inconstant.has(String(node['function_name']))) return false
  }
  return true
}

function replaced(node: SyntaxNode, by: ReadonlyMap<SyntaxNode, SyntaxNode>): SyntaxNode {
  const other = by.get(node)
  if (other !== undefined) return other
  const inside = (value: JsonValue): JsonValue => {
    const child = nodeOf(value)
    return child === undefined ? value : replaced(child, by)
  }
  return Object.fromEntries(
    Object.entries(node).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map((item: JsonValue) => inside(item)) : inside(value),
    ]),
  )
}

/** Reads the tree first and has all SQL printed at once: until then a text is its place in `printed`. */
class PredicateReader {
  readonly printed: SyntaxNode[] = []
  readonly #context: PredicateContext
  readonly #volatile: ReadonlySet<string>
  readonly #partitionColumns: ReadonlySet<string>

  constructor(context: PredicateContext, volatile: ReadonlySet<string>) {
    this.#context = context
    this.#volatile = volatile
    this.#partitionColumns = new Set(context.partitionColumns.map((name) => name.toLowerCase()))
  }

  read(node: SyntaxNode): Predicate {
    const structural = this.#readStructure(node)
    if (structural !== undefined) return structural
    if (this.#isOfPartition(node)) return { kind: 'partition', sql: this.#print(this.#unaliased(node)) }
    return this.#readLeaf(node)
  }

  #readStructure(node: SyntaxNode): Predicate | undefined {
    const type = node['type']
    if (type === 'CONJUNCTION_AND' || type === 'CONJUNCTION_OR') {
      const of = childrenOf(node).map((child) => this.read(child))
      return { kind: type === 'CONJUNCTION_AND' ? 'and' : 'or', of }
    }
    if (type === 'OPERATOR_NOT') {
      const [child] = childrenOf(node)
      return child === undefined ? unknown : { kind: 'not', of: this.read(child) }
    }
    return undefined
  }

  #readLeaf(node: SyntaxNode): Predicate {
    const type = String(node['type'])
    const comparison = comparisons[type]
    if (comparison !== undefined) {
      const [left, right] = [nodeOf(node['left']), nodeOf(node['right'])]
      return (
        this.#compare(left, comparison, right) ?? this.#compare(right, mirrored[comparison], left) ?? unknown
      )
    }
    const [first, ...others] = childrenOf(node)
    switch (type) {
      case 'COMPARE_BETWEEN': {
        const input = nodeOf(node['input'])
        const lower = this.#compare(input, '>=', nodeOf(node['lower'])) ?? unknown
        const upper = this.#compare(input, '<=', nodeOf(node['upper'])) ?? unknown
        return { kind: 'and', of: [lower, upper] }
      }
      case 'COMPARE_IN':
        return { kind: 'or', of: others.map((item) => this.#compare(first, '=', item) ?? unknown) }
      case 'OPERATOR_IS_NULL':
      case 'OPERATOR_IS_NOT_NULL': {
        const column = first === undefined ? undefined : this.#columnOf(first)
        if (column === undefined) return unknown
        const isNull: Predicate = { kind: 'isNull', column }
        return type === 'OPERATOR_IS_NULL' ? isNull : { kind: 'not', of: isNull }
      }
      default:
        return unknown
    }
  }

  #compare(
    column: SyntaxNode | undefined,
    comparison: Comparison,
    literal: SyntaxNode | undefined,
  ): Predicate | undefined {
    if (column === undefined || literal === undefined) return undefined
    const path = this.#columnOf(column)
    const type = path?.at(-1)?.type
    if (path === undefined || type === undefined || !comparesAlike(type, literalType(literal)))
      return undefined
    return { kind: 'compare', column: path, comparison, literal: this.#print(literal) }
  }

  /** The leaf that a column reference names, where it is one of the table's and not of its partitions. */
  #columnOf(node: SyntaxNode): ColumnPath | undefined {
    const names = this.#named(node)
    if (names === undefined) return undefined
    const path: Field[] = []
    let type: DataType = this.#context.schema
    for (const name of names) {
      if (typeof type === 'string' || type.type !== 'struct') return undefined
      const found: Field | undefined = type.fields.find((field) => isSameName(field.name, name))
      if (found === undefined) return undefined
      path.push(found)
      type = found.type
    }
    const isPartition = this.#partitionColumns.has((path[0]?.name ?? '').toLowerCase())
    return typeof type === 'string' && !isPartition ? path : undefined
  }

  /** Names without the table's alias; `undefined` where the node is no reference to this table. */
  #named(node: SyntaxNode): readonly string[] | undefined {
    const names = columnNames(node)
    const { alias } = this.#context
    if (alias === undefined || names === undefined) return names
    return names.length > 1 && isSameName(names[0] ?? '', alias) ? names.slice(1) : undefined
  }

  #isOfPartition(root: SyntaxNode): boolean {
    let references = 0
    for (const node of nodesOf(root)) {
      const names = columnNames(node)
      if (names !== undefined) {
        const named = this.#named(node)
        if (named?.length !== 1 || !this.#partitionColumns.has((named[0] ?? '').toLowerCase())) return false
        references += 1
        continue
      }
      if (node['class'] === 'SUBQUERY' || node['class'] === 'WINDOW' || node['class'] === 'LAMBDA')
        return false
      if (node['class'] === 'FUNCTION' && this.#volatile.has(String(node['function_name']))) return false
    }
    return references > 0
  }

  #unaliased(node: SyntaxNode): SyntaxNode {
    if (this.#context.alias === undefined) return node
    const named = this.#named(node)
    if (named !== undefined) return { ...node, column_names: named }
    const entries = Object.entries(node).map(([name, value]) => {
      const child = nodeOf(value)
      if (child !== undefined) return [name, this.#unaliased(child)]
      if (!Array.isArray(value)) return [name, value]
      const items = value.map((item) => {
        const itemNode = nodeOf(item)
        return itemNode === undefined ? item : this.#unaliased(itemNode)
      })
      return [name, items]
    })
    return Object.fromEntries(entries)
  }

  #print(node: SyntaxNode): string {
    this.printed.push(node)
    return String(this.printed.length - 1)
  }
}

function withTexts(predicate: Predicate, texts: readonly string[]): Predicate {
  switch (predicate.kind) {
    case 'and':
    case 'or':
      return { kind: predicate.kind, of: predicate.of.map((part) => withTexts(part, texts)) }
    case 'not':
      return { kind: 'not', of: withTexts(predicate.of, texts) }
    case 'compare':
      return { ...predicate, literal: texts[Number(predicate.literal)] ?? 'null' }
    case 'partition':
      return { kind: 'partition', sql: texts[Number(predicate.sql)] ?? 'null' }
    default:
      return predicate
  }
}

type Family = 'number' | 'text' | 'time' | 'boolean'

const families: Readonly<Record<string, Family>> = {
  TINYINT: 'number',
  SMALLINT: 'number',
  INTEGER: 'number',
  BIGINT: 'number',
  HUGEINT: 'number',
  UTINYINT: 'number',
  USMALLINT: 'number',
  UINTEGER: 'number',
  UBIGINT: 'number',
  UHUGEINT: 'number',
  DECIMAL: 'number',
  FLOAT: 'number',
  DOUBLE: 'number',
  VARCHAR: 'text',
  DATE: 'time',
  TIMESTAMP: 'time',
  'TIMESTAMP WITH TIME ZONE': 'time',
  TIMESTAMP_TZ: 'time',
  BOOLEAN: 'boolean',
}

interface LiteralType {
  readonly family: Family | undefined
  /** A bare text takes the type of what it is compared with. */
  readonly isBareText: boolean
}

function literalType(node: SyntaxNode): LiteralType {
  const idOf = (type: SyntaxNode | undefined): Family | undefined => families[String(type?.['id'])]
  if (node['class'] === 'CONSTANT') {
    const family = idOf(nodeOf(nodeOf(node['value'])?.['type']))
    return { family, isBareText: family === 'text' }
  }
  const child = nodeOf(node['child'])
  if (node['class'] === 'CAST' && child?.['class'] === 'CONSTANT') {
    return { family: idOf(nodeOf(node['cast_type'])), isBareText: false }
  }
  return { family: undefined, isBareText: false }
}

/** Whether the comparison is made in the column's own order: `'10' < 9` as numbers says nothing of texts' bounds. */
function comparesAlike(column: DataType, { family, isBareText }: LiteralType): boolean {
  const ofColumn = familyOf(column)
  return ofColumn !== undefined && (family === ofColumn || isBareText)
}

function familyOf(type: DataType): Family | undefined {
  if (typeof type !== 'string') return undefined
  if (type === 'string') return 'text'
  if (type === 'boolean') return 'boolean'
  if (type === 'date' || type === 'timestamp' || type === 'timestamp_ntz') return 'time'
  return type === 'binary' ? undefined : 'number'
}
