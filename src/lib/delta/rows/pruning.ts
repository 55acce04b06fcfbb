/**
 * Which files of a snapshot a condition needs: no other file has a row that satisfies it.
 *
 * A bound that is missing, or that DuckDB cannot read, keeps the file. Bounds of timestamps are widened, because
 * writers cut them to milliseconds, and their offsets to minutes. Upper bounds of floats are not used: no writer
 * counts NaN, which is above them. Delta PROTOCOL.md, "Per-file Statistics".
 */
import type { IoOptions } from '../../base/io.ts'
import { formatJson, type JsonValue, parseJsonDigits } from '../../base/json.ts'
import { createTemporaryTable } from '../../duckdb/append.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { identifier, list, text } from '../../duckdb/sql-text.ts'
import type { Row } from '../../duckdb/values.ts'
import type { AddFile } from '../log/actions.ts'
import { nameInFiles } from '../schema/column-mapping.ts'
import { decimalOf, duckDbType } from '../schema/schema.ts'
import { partitionValueOf, partitionValueSql } from '../snapshot/partition-value.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { cutOffset } from '../snapshot/statistics.ts'
import type { ColumnPath, Comparison, Predicate } from './predicate.ts'

export interface Pruning {
  /** In the order given. */
  readonly files: readonly AddFile[]
  /** Those of `files` whose partition values alone show that every row satisfies the condition. */
  readonly whole: ReadonlySet<AddFile>
  readonly skippedByPartition: readonly AddFile[]
  readonly skippedByStatistics: readonly AddFile[]
}

/** What is known of a file beyond its partition values. */
type Known = 'partitions' | 'statistics'

const negated: Readonly<Record<Comparison, Comparison>> = {
  '=': '<>',
  '<>': '=',
  '<': '>=',
  '<=': '>',
  '>': '<=',
  '>=': '<',
}

const table = 'lake_files'
/** What is known of more files lies in a table; of a few it is said sooner than that is made. */
const inlineFiles = 256

/** The temporary table it makes in the session is gone when it returns. */
export async function pruneFiles(
  session: DuckDbSession,
  snapshot: Snapshot,
  files: readonly AddFile[],
  predicate: Predicate,
  { signal }: IoOptions = {},
): Promise<Pruning> {
  const byPartition = mayBe(predicate, true, 'partitions')
  const byStatistics = mayBe(predicate, true, 'statistics')
  const whole = `coalesce(${exact(predicate) ?? 'false'}, false)`
  if (files.length === 0 || (byPartition === 'true' && byStatistics === 'true')) {
    return { files, whole: new Set(), skippedByPartition: [], skippedByStatistics: [] }
  }
  const partitions = snapshot.schema.fields.filter(({ name }) => snapshot.partitionColumns.includes(name))
  const columns: readonly TextColumn[] = [
    { name: 'lake_stats', values: files.map(({ stats }) => stats ?? null) },
    ...exactBounds(predicate, files),
    ...partitions.map((field, index) => ({
      name: `lake_p${index}`,
      values: files.map(partitionValueOf(field)),
    })),
  ]
  const isInline = files.length <= inlineFiles
  if (!isInline) await createFileTable(session, files.length, columns)
  try {
    const typed = partitions.map(
      ({ name, type }, index) => `${partitionValueSql(`lake_p${index}`, type)} as ${identifier(name)}`,
    )
    const given = isInline ? `(${inlineSelect(files.length, columns)})` : `temp.${table}`
    const source = `select * replace (${parsedStatistics})${typed.map((sql) => `, ${sql}`).join('')} from ${given}`
    const rows = await session.rows(
      `select ${byPartition} as by_partition, ${byStatistics} as by_statistics, ${whole} as whole from (${source}) order by lake_file`,
      { signal },
    )
    const judged = files.map((file, index) => ({ file, verdict: rows[index] ?? {} }))
    const ofVerdict = (wanted: (verdict: Row) => boolean): readonly AddFile[] =>
      judged.filter(({ verdict }) => wanted(verdict)).map(({ file }) => file)
    return {
      files: ofVerdict((verdict) => verdict['by_statistics'] !== false),
      whole: new Set(ofVerdict((verdict) => verdict['whole'] === true)),
      skippedByPartition: ofVerdict((verdict) => verdict['by_partition'] === false),
      skippedByStatistics: ofVerdict(
        (verdict) => verdict['by_partition'] !== false && verdict['by_statistics'] === false,
      ),
    }
  } finally {
    if (!isInline) await session.run(`drop table if exists temp.${table}`)
  }
}

interface TextColumn {
  readonly name: string
  readonly values: readonly (string | null)[]
}

function inlineSelect(count: number, columns: readonly TextColumn[]): string {
  const lists = columns.map(({ name, values }) => {
    const items = values.map((value) => (value === null ? 'null' : text(value)))
    return `unnest(${list(items)}::varchar[]) as ${identifier(name)}`
  })
  return `select ${[`unnest(range(${count})) as lake_file`, ...lists].join(', ')}`
}

async function createFileTable(
  session: DuckDbSession,
  count: number,
  columns: readonly TextColumn[],
): Promise<void> {
  await createTemporaryTable(session, table, [
    { name: 'lake_file', kind: 'integer', values: Array.from({ length: count }, (_, index) => index) },
    ...columns.map((column) => ({ ...column, kind: 'varchar' as const })),
  ])
}

/** Some writers put statistics there that are not JSON: they count as absent. */
const parsedStatistics = `case when json_valid(lake_stats) then lake_stats::json end as lake_stats`

/** SQL over the files: whether a row of the file may exist for which the predicate is `truth`. Never null. */
function mayBe(predicate: Predicate, truth: boolean, known: Known): string {
  switch (predicate.kind) {
    case 'and':
    case 'or': {
      const needsAll = (predicate.kind === 'and') === truth
      return combined(
        needsAll,
        predicate.of.map((part) => mayBe(part, truth, known)),
      )
    }
    case 'not':
      return mayBe(predicate.of, !truth, known)
    case 'partition':
      return `coalesce(${truth ? '' : 'not '}(${predicate.sql}), false)`
    case 'compare':
      return known === 'partitions' ? 'true' : mayCompare(predicate, truth)
    case 'isNull':
      return known === 'partitions' ? 'true' : mayBeNull(predicate.column, truth)
    case 'unknown':
      return 'true'
  }
}

function combined(needsAll: boolean, parts: readonly string[]): string {
  const [neutral, decisive] = needsAll ? ['true', 'false'] : ['false', 'true']
  if (parts.includes(decisive)) return decisive
  const open = parts.filter((part) => part !== neutral)
  return open.length === 0 ? neutral : `(${open.join(needsAll ? ' and ' : ' or ')})`
}

/** The predicate itself, if partition values alone decide it; otherwise `undefined`. */
function exact(predicate: Predicate): string | undefined {
  switch (predicate.kind) {
    case 'partition':
      return `(${predicate.sql})`
    case 'not': {
      const of = exact(predicate.of)
      return of === undefined ? undefined : `(not ${of})`
    }
    case 'and':
    case 'or': {
      const parts = predicate.of.map(exact)
      return parts.includes(undefined) ? undefined : `(${parts.join(` ${predicate.kind} `)})`
    }
    default:
      return undefined
  }
}

function mayCompare(
  { column, comparison, literal }: Extract<Predicate, { readonly kind: 'compare' }>,
  truth: boolean,
): string {
  const type = column.at(-1)?.type
  const [min, max] = [statistic('minValues', column), statistic('maxValues', column)]
  const tests: Readonly<Record<Comparison, readonly string[]>> = {
    '=': [`${min} <= ${literal}`, `${max} >= ${literal}`],
    // Bounds that are one value prove it only where they are exact, which texts' and timestamps' are not.
    '<>': [],
    '<': [`${min} < ${literal}`],
    '<=': [`${min} <= ${literal}`],
    '>': [`${max} > ${literal}`],
    '>=': [`${max} >= ${literal}`],
  }
  const isFloating = type === 'float' || type === 'double'
  const usable = tests[truth ? comparison : negated[comparison]].filter(
    (test) => !(isFloating && test.startsWith(max)),
  )
  return combined(true, [hasValue(column), ...usable.map((test) => `coalesce(${test}, true)`)])
}

/** False where all rows of the file are null in this column: no comparison is then true or false. */
function hasValue(column: ColumnPath): string {
  return `coalesce(${nullCount(column)} < ${numRecords}, true)`
}

function mayBeNull(column: ColumnPath, truth: boolean): string {
  return truth ? `coalesce(${nullCount(column)} > 0, true)` : hasValue(column)
}

const numRecords = `try_cast(lake_stats->>'$.numRecords' as bigint)`

function nullCount(column: ColumnPath): string {
  return `try_cast(${extracted('nullCount', column)} as bigint)`
}

function statistic(name: 'minValues' | 'maxValues', column: ColumnPath): string {
  const type = column.at(-1)?.type ?? 'string'
  const written = isLongDecimal(column) ? identifier(boundName(name, column)) : extracted(name, column)
  const value = `try_cast(${written} as ${duckDbType(type)})`
  // A file of floats holds the shortest text of its bound, which may be above the float itself or below it.
  if (type === 'double' && wasFloat(column)) return `least(${value}, try_cast(${value} as float)::double)`
  if (type !== 'timestamp' && type !== 'timestamp_ntz') return value
  const slack = `to_milliseconds(if(regexp_matches(${written}, '${cutOffset}'), ${minuteMs}, 0)${name === 'maxValues' ? ' + 1' : ''})`
  return `(${value} ${name === 'maxValues' ? '+' : '-'} ${slack})`
}

const minuteMs = 60_000

/** JSON numbers of more digits than a double has are rounded when DuckDB reads them. */
function isLongDecimal(column: ColumnPath): boolean {
  const type = column.at(-1)?.type
  return typeof type === 'string' && (decimalOf(type)?.precision ?? 0) > 15
}

function boundName(name: 'minValues' | 'maxValues', column: ColumnPath): string {
  return `lake_${name} ${JSON.stringify(column.map(nameInFiles))}`
}

/**
 * The bounds of long decimals that a predicate compares, digit by digit. delta-rs writes them as doubles: one that may
 * be rounded is taken as far out as rounding may have moved it.
 */
function exactBounds(predicate: Predicate, files: readonly AddFile[]): readonly TextColumn[] {
  const columns = new Map(longDecimals(predicate).map((column) => [boundName('minValues', column), column]))
  if (columns.size === 0) return []
  const statistics = files.map(({ stats }) => digitsOf(stats))
  return [...columns.values()].flatMap((column) =>
    (['minValues', 'maxValues'] as const).map((name) => ({
      name: boundName(name, column),
      values: statistics.map((found) => unrounded(textAt(found, [name, ...column.map(nameInFiles)]), name)),
    })),
  )
}

/** More digits than a double has when it is written: no double was in between. */
const digitsOfDouble = 17

/** Of a decimal. */
const mostScale = 38

function unrounded(bound: string | null, name: 'minValues' | 'maxValues'): string | null {
  if (bound === null) return null
  const digits = bound.replace(/e.*$/i, '').replace(/\D/g, '').replace(/^0+/, '')
  if (digits.length > digitsOfDouble) return bound
  const value = Number(bound)
  const outwards = name === 'minValues' ? -1 : 1
  const moved = value + outwards * Math.abs(value) * Number.EPSILON
  return Number.isInteger(moved) ? String(BigInt(moved)) : moved.toFixed(mostScale)
}

function longDecimals(predicate: Predicate): readonly ColumnPath[] {
  switch (predicate.kind) {
    case 'and':
    case 'or':
      return predicate.of.flatMap(longDecimals)
    case 'not':
      return longDecimals(predicate.of)
    case 'compare':
      return isLongDecimal(predicate.column) ? [predicate.column] : []
    default:
      return []
  }
}

function digitsOf(stats: string | undefined): JsonValue {
  try {
    return stats === undefined ? null : parseJsonDigits(stats, 'stats')
  } catch {
    // Unusable statistics count as absent.
    return null
  }
}

function textAt(statistics: JsonValue, path: readonly string[]): string | null {
  let value: JsonValue | undefined = statistics
  for (const name of path) {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return null
    value = (value as Readonly<Record<string, JsonValue>>)[name]
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null
}

function wasFloat(column: ColumnPath): boolean {
  const changes = column.at(-1)?.metadata['delta.typeChanges']
  return changes !== undefined && formatJson(changes).includes('"float"')
}

function extracted(statistic: string, column: ColumnPath): string {
  const path = [statistic, ...column.map(nameInFiles)]
  // DuckDB's JSON paths take a star for any name, also in quotes.
  if (path.some((part) => part.includes('*'))) return 'null::varchar'
  return `lake_stats->>${text(`$${path.map((part) => `.${JSON.stringify(part)}`).join('')}`)}`
}
