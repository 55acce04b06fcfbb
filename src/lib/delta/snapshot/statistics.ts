/**
 * What `add.stats` says of a file's columns. Delta PROTOCOL.md, "Per-file Statistics".
 *
 * A bound may be wider than the data, never narrower: text is cut to a prefix (and the upper bound raised),
 * timestamps have milliseconds only (floored, and for the upper bound rounded up).
 */

import { exactNumber, formatJson, type JsonValue, parseJson } from '../../base/json.ts'
import type { ColumnStatistics } from '../../duckdb/parquet.ts'
import type { AddFile } from '../log/actions.ts'
import type { StringMap } from '../protocol/metadata.ts'
import { propertiesOf } from '../protocol/properties.ts'
import { nameInFiles } from '../schema/column-mapping.ts'
import type { DataType, StructType } from '../schema/schema.ts'
import { leavesOf } from '../schema/walk.ts'

/** UTF-16 units of a text that are kept. */
const prefixLength = 32
const longestPrefix = 64

/**
 * A regular expression for times whose offset may lack its seconds, as that of a local mean time has: Spark 3.2 and 3.3
 * wrote `+00:53` for +00:53:28.
 */
export const cutOffset = '[+-][0-9]{2}:[0-9]{2}$'

type Bound = 'min' | 'max'
type Tree = { [name: string]: unknown }

export interface FileStatistics {
  readonly numRecords?: number
  readonly minValues: Readonly<Record<string, JsonValue>>
  readonly maxValues: Readonly<Record<string, JsonValue>>
  readonly nullCount: Readonly<Record<string, JsonValue>>
}

export function encodeStatistics(
  rows: number,
  columns: readonly ColumnStatistics[],
  schema: StructType,
  configuration: StringMap = {},
): string {
  const minValues: Tree = {}
  const maxValues: Tree = {}
  const nullCount: Tree = {}
  const indexed = new Set(indexedPaths(schema, configuration).map((path) => path.join('\0')))
  for (const column of columns) {
    const type = typeAt(schema, column.path)
    if (type === undefined || !indexed.has(column.path.join('\0'))) continue
    if (column.nullCount !== undefined) plant(nullCount, column.path, column.nullCount)
    if (column.hasNan) continue
    const min = column.min === undefined ? undefined : encodeBound(column.min, type, 'min')
    const max = column.max === undefined ? undefined : encodeBound(column.max, type, 'max')
    if (min !== undefined) plant(minValues, column.path, min)
    if (max !== undefined) plant(maxValues, column.path, max)
  }
  return formatJson({ numRecords: rows, minValues, maxValues, nullCount, tightBounds: true })
}

/** Unusable statistics count as absent: they are a hint, and foreign writers put odd things there. */
export function decodeStatistics(stats: string | undefined): FileStatistics | undefined {
  if (stats === undefined) return undefined
  try {
    const value = parseJson(stats, 'stats')
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined
    const body = value as Readonly<Record<string, JsonValue>>
    const objectAt = (name: string): Readonly<Record<string, JsonValue>> => {
      const found = body[name]
      return typeof found === 'object' && found !== null && !Array.isArray(found)
        ? (found as Readonly<Record<string, JsonValue>>)
        : {}
    }
    const numRecords = Number(body['numRecords'])
    return {
      ...(Number.isSafeInteger(numRecords) && { numRecords }),
      minValues: objectAt('minValues'),
      maxValues: objectAt('maxValues'),
      nullCount: objectAt('nullCount'),
    }
  } catch {
    return undefined
  }
}

/** Rows of the files by their statistics, less those deleted; `undefined` if a file does not say how many it has. */
export function recordsIn(files: readonly AddFile[]): number | undefined {
  let sum = 0
  for (const { stats, deletionVector } of files) {
    const rows = decodeStatistics(stats)?.numRecords
    if (rows === undefined) return undefined
    sum += rows - (deletionVector?.cardinality ?? 0)
  }
  return sum
}

function encodeBound(value: string, type: DataType, bound: Bound): unknown {
  switch (type) {
    case 'long':
    case 'integer':
    case 'short':
    case 'byte':
      return BigInt(value)
    case 'float':
    case 'double': {
      const number = Number(value)
      return Number.isFinite(number) ? number : undefined
    }
    case 'date':
      return /^\d{4}-\d{2}-\d{2}$/.test(value) ? value : undefined
    case 'timestamp':
    case 'timestamp_ntz':
      return encodeTimestamp(value, type === 'timestamp' ? 'Z' : '', bound)
    case 'string':
      return bound === 'min' ? lowerPrefix(value) : upperPrefix(value)
    default:
      return isDecimal(type) && /^-?\d+(\.\d+)?$/.test(value) ? exactNumber(value) : undefined
  }
}

/** `2026-01-02 03:04:05.0006+00` → `2026-01-02T03:04:05.000Z`, or `.001Z` for an upper bound. */
function encodeTimestamp(value: string, zone: 'Z' | '', bound: Bound): string | undefined {
  const match = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?(?:\+00)?$/.exec(value)
  if (match === null) return undefined
  const [, date, time, fraction = ''] = match
  const micros = fraction.padEnd(6, '0')
  const floorMs = Date.parse(`${date}T${time}.${micros.slice(0, 3)}Z`)
  const ms = bound === 'max' && micros.slice(3) !== '000' ? floorMs + 1 : floorMs
  const encoded = new Date(ms).toISOString()
  // Past the year 9999 there is no such text: no bound is better than one that nobody can read.
  return /^\d{4}-/.test(encoded) ? encoded.replace('Z', zone) : undefined
}

function isDecimal(type: DataType): boolean {
  return typeof type === 'string' && type.startsWith('decimal')
}

function lowerPrefix(value: string): string {
  return cut(value)
}

/** A short text that is not below `value`: its prefix, and a character above whatever was cut off. */
function upperPrefix(value: string): string | undefined {
  if (value.length <= prefixLength) return value
  let prefix = cut(value)
  let next = value.codePointAt(prefix.length) ?? 0
  // Nothing is above the last character there is: it is taken into the prefix.
  while (next === 0x10ffff) {
    prefix += String.fromCodePoint(next)
    if (prefix.length >= value.length) return value
    if (prefix.length >= longestPrefix) return undefined
    next = value.codePointAt(prefix.length) ?? 0
  }
  return prefix + (next < 0x7f ? '\u007f' : '\u{10ffff}')
}

function cut(value: string): string {
  if (value.length <= prefixLength) return value
  const last = value.charCodeAt(prefixLength - 1)
  const splitsPair = last >= 0xd800 && last <= 0xdbff
  return value.slice(0, splitsPair ? prefixLength - 1 : prefixLength)
}

/** The leaves that get statistics, by their names in files. `delta.dataSkippingStatsColumns` outranks the count. */
function indexedPaths(schema: StructType, configuration: StringMap): readonly (readonly string[])[] {
  const leaves = leavesOf(schema).map((path) => ({
    names: path.map(({ name }) => name),
    stored: path.map(nameInFiles),
  }))
  const { dataSkippingStatsColumns: chosen, dataSkippingNumIndexedCols: count } = propertiesOf(configuration)
  if (chosen !== undefined) {
    const wanted = chosen.split(',').map((name) => name.trim().replaceAll('`', '').toLowerCase())
    const isWanted = (path: string): boolean =>
      wanted.some((name) => path === name || path.startsWith(`${name}.`))
    return leaves.filter(({ names }) => isWanted(names.join('.').toLowerCase())).map(({ stored }) => stored)
  }
  return (count < 0 ? leaves : leaves.slice(0, count)).map(({ stored }) => stored)
}

function typeAt(schema: StructType, path: readonly string[]): DataType | undefined {
  let type: DataType | undefined = schema
  for (const name of path) {
    if (typeof type !== 'object' || type.type !== 'struct') return undefined
    type = type.fields.find((candidate) => nameInFiles(candidate) === name)?.type
  }
  return type
}

function plant(tree: Tree, path: readonly string[], value: unknown): void {
  const [name = '', ...below] = path
  if (below.length === 0) {
    tree[name] = value
    return
  }
  const branch = (tree[name] ?? {}) as Tree
  tree[name] = branch
  plant(branch, below, value)
}
