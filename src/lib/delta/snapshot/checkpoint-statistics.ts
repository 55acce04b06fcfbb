/**
 * The statistics and the partition values of a file as typed columns of a checkpoint. Delta PROTOCOL.md, "Checkpoint
 * Schema".
 *
 * Bounds go from JSON to DuckDB as text, digit by digit, and are cast there, so that no decimal is rounded.
 */

import { parseJsonDigits } from '../../base/json.ts'
import { identifier, text } from '../../duckdb/sql-text.ts'
import { fileSchema } from '../protocol/mapping.ts'
import type { Metadata } from '../protocol/metadata.ts'
import { propertiesOf } from '../protocol/properties.ts'
import { nameInFiles, partitionKeys, spelledBy } from '../schema/column-mapping.ts'
import { type DataType, duckDbType, type PrimitiveType, type StructType } from '../schema/schema.ts'
import { leavesOf } from '../schema/walk.ts'
import { partitionValueSql } from './partition-value.ts'
import { cutOffset } from './statistics.ts'

/** In which forms a checkpoint has statistics: those that `delta.checkpoint.writeStatsAs…` asks for. */
export interface StatisticsForms {
  /** As one text, `add.stats`. */
  readonly json: boolean
  /** As columns, `add.stats_parsed` and `add.partitionValues_parsed`. */
  readonly struct: ParsedStatistics | undefined
}

export interface ParsedStatistics {
  /** The type of what `textsOf` makes, as DuckDB writes it. */
  readonly textsType: string
  /** What a row of JSON holds of `add.stats`, or `undefined` where these are no statistics. */
  textsOf(stats: string | undefined): unknown
  /** Fields of `add` by name: SQL over `add`, whose `stats_parsed` is of `textsType`. */
  readonly fields: Readonly<Record<string, string>>
}

/** A column's type, or the columns of a struct, by their names in files. */
interface Leaves extends ReadonlyMap<string, PrimitiveType | Leaves> {}

export function statisticsForms(metadata: Metadata): StatisticsForms {
  const { writeStatsAsJson, writeStatsAsStruct } = propertiesOf(metadata.configuration)
  return { json: writeStatsAsJson, struct: writeStatsAsStruct ? parsedStatistics(metadata) : undefined }
}

function parsedStatistics(metadata: Metadata): ParsedStatistics {
  const schema = fileSchema(metadata)
  const partitionColumns = spelledBy(schema, metadata.partitionColumns)
  const stored = { ...schema, fields: schema.fields.filter(({ name }) => !partitionColumns.includes(name)) }
  const counts = leafTree(stored, () => 'long')
  const bounds = leafTree(stored, (type) => (hasBounds(type) ? type : undefined))
  const trees: readonly (readonly [string, Leaves])[] = [
    ['minValues', bounds],
    ['maxValues', bounds],
    ['nullCount', counts],
  ]
  const kept = trees.filter(([, leaves]) => leaves.size > 0)
  const textFields = kept.map(([name, leaves]) => `${identifier(name)} ${textsType(leaves)}`)
  const parts = kept.map(
    ([name, leaves]) => `${identifier(name)} := ${typed(`add.stats_parsed.${name}`, leaves)}`,
  )
  const own = ['numRecords BIGINT', 'tightBounds BOOLEAN']
  const keys = partitionKeys(schema, partitionColumns)
  const values = schema.fields.flatMap((field) => {
    const key = nameInFiles(field)
    if (!keys.includes(key)) return []
    return [`${identifier(key)} := ${partitionValueSql(`add.partitionValues[${text(key)}]`, field.type)}`]
  })
  return {
    textsType: `STRUCT(${[...own, ...textFields].join(', ')})`,
    textsOf: (stats) => textsOf(stats, kept),
    fields: {
      stats_parsed: `case when add.stats_parsed is not null then struct_pack(${['numRecords := add.stats_parsed.numRecords', ...parts, 'tightBounds := add.stats_parsed.tightBounds'].join(', ')}) end`,
      ...(values.length > 0 && { partitionValues_parsed: `struct_pack(${values.join(', ')})` }),
    },
  }
}

/** The leaves of the schema for which `typeOf` gives a type; a struct that has none is left out. */
function leafTree(schema: StructType, typeOf: (type: DataType) => PrimitiveType | undefined): Leaves {
  const tree: MutableLeaves = new Map()
  for (const path of leavesOf(schema)) {
    const type = typeOf(path.at(-1)?.type ?? 'void')
    if (type !== undefined) plant(tree, path.map(nameInFiles), type)
  }
  return tree
}

interface MutableLeaves extends Map<string, PrimitiveType | MutableLeaves> {}

function plant(tree: MutableLeaves, [name = '', ...below]: readonly string[], type: PrimitiveType): void {
  if (below.length === 0) {
    tree.set(name, type)
    return
  }
  const found = tree.get(name)
  const branch: MutableLeaves = typeof found === 'object' ? found : new Map()
  tree.set(name, branch)
  plant(branch, below, type)
}

const unordered = new Set<unknown>(['binary', 'boolean', 'variant', 'void'])

function hasBounds(type: DataType): type is PrimitiveType {
  return typeof type === 'string' && !unordered.has(type)
}

function textsType(leaves: Leaves): string {
  const fields = [...leaves].map(
    ([name, leaf]) => `${identifier(name)} ${typeof leaf === 'string' ? 'VARCHAR' : textsType(leaf)}`,
  )
  return `STRUCT(${fields.join(', ')})`
}

/** A time with an offset may be off by the seconds that a writer cut from it: no bound is better than a wrong one. */
function boundSql(part: string, type: PrimitiveType): string {
  const cast = `try_cast(${part} as ${duckDbType(type)})`
  return type === 'timestamp'
    ? `case when not regexp_matches(${part}, '${cutOffset}') then ${cast} end`
    : cast
}

/** A bound that is none of its type is absent. */
function typed(value: string, leaves: Leaves): string {
  const fields = [...leaves].map(([name, leaf]) => {
    const part = `${value}.${identifier(name)}`
    const cast = typeof leaf === 'string' ? boundSql(part, leaf) : typed(part, leaf)
    return `${identifier(name)} := ${cast}`
  })
  return `case when ${value} is not null then struct_pack(${fields.join(', ')}) end`
}

function textsOf(stats: string | undefined, trees: readonly (readonly [string, Leaves])[]): unknown {
  const found = parsed(stats)
  if (found === undefined) return undefined
  const numRecords = String(found['numRecords'] ?? '')
  const tightBounds = found['tightBounds']
  return {
    ...(/^\d{1,18}$/.test(numRecords) && { numRecords: Number(numRecords) }),
    ...(typeof tightBounds === 'boolean' && { tightBounds }),
    ...Object.fromEntries(trees.map(([name, leaves]) => [name, picked(found[name], leaves)])),
  }
}

function parsed(stats: string | undefined): Readonly<Record<string, unknown>> | undefined {
  if (stats === undefined) return undefined
  try {
    const value = parseJsonDigits(stats, 'stats')
    return isObject(value) ? value : undefined
  } catch {
    // Unusable statistics count as absent.
    return undefined
  }
}

function picked(values: unknown, leaves: Leaves): unknown {
  if (!isObject(values)) return undefined
  const entries = [...leaves].map(([name, leaf]) => {
    const value = values[name]
    if (typeof leaf !== 'string') return [name, picked(value, leaf)]
    return [
      name,
      value === null || value === undefined || typeof value === 'object' ? undefined : String(value),
    ]
  })
  return Object.fromEntries(entries)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
