/**
 * Orders rows along a Z-curve, so that files have narrow bounds in several columns at once.
 *
 * A sample divides each column into ranges with equally many rows. The bits of the range numbers, interleaved, are the
 * place on the curve. Tags mark a set of files that were ordered together; the set is ordered again only once as many
 * rows as it has were added since.
 */

import { randomUUID } from 'node:crypto'
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { identifier, text } from '../../duckdb/sql-text.ts'
import type { AddFile } from '../log/actions.ts'
import { findNamed } from '../schema/names.ts'
import { type DataType, duckDbType, type Field } from '../schema/schema.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { type Bin, binOf, byPartition, bytesOf, cubeTags, isMuchDeleted } from './compaction.ts'

const bits = 8
/** So many columns have their bits in one 64-bit integer. */
const mostColumns = 7
const sampledRows = 100_000
/** Sets are no larger, so that a sort is one that a disk can hold. */
const largestSetBytes = 8 * 2 ** 30
const mebibyte = 2 ** 20
const filesOfSet = 128
/** By several columns the bounds of a group are narrow in each only where it is small; a whole scan pays for that. */
const rowsOfGroup = 10_240

/**
 * @throws LakeError `COLUMN_MISSING`, or `SQL_INVALID` for a column that has no order or names the folders, for one
 * named twice, or too many.
 */
export function zOrderFields(
  { schema, partitionColumns }: Snapshot,
  columns: readonly string[],
): readonly Field[] {
  const refuse = (reason: string): LakeError => new LakeError('SQL_INVALID', `Z-order: ${reason}`)
  if (columns.length > mostColumns) {
    throw refuse(`expected at most ${mostColumns} columns, got ${columns.length}`)
  }
  const fields = columns.map((column) => {
    const found = findNamed(schema.fields, column)
    if (found === undefined) {
      const known = schema.fields.map(({ name }) => name).join(', ')
      throw new LakeError('COLUMN_MISSING', `Z-order: no column ${column}; there are ${known}`)
    }
    if (partitionColumns.includes(found.name)) throw refuse(`${found.name} is a partition column`)
    if (!isOrdered(found.type)) throw refuse(`${found.name} is of a type without bounds`)
    return found
  })
  if (new Set(fields).size < fields.length) throw refuse(`a column is named twice in ${columns.join(', ')}`)
  return fields
}

function isOrdered(type: DataType): boolean {
  return typeof type === 'string' && !['binary', 'void', 'variant'].includes(type)
}

/**
 * What is to be ordered: files that are not yet, and with them the sets that are not much larger than those.
 *
 * @param targetFileBytes Without it a set has about 128 files.
 * @param full All files, whatever they are.
 */
export function zOrderBins(
  files: readonly AddFile[],
  fields: readonly Field[],
  {
    targetFileBytes,
    largestFileBytes,
    full,
  }: {
    readonly targetFileBytes: number | undefined
    readonly largestFileBytes: number
    readonly full: boolean
  },
): readonly Bin[] {
  const columns = fields.map(({ name }) => name)
  const marked = JSON.stringify(columns)
  const bins: Bin[] = []
  for (const partition of byPartition(files)) {
    for (const set of slicesOf(chosen(partition, marked, full))) {
      const even = Math.min(Math.max(bytesOf(set) / filesOfSet, 2 * mebibyte), largestFileBytes)
      bins.push(
        binOf(set, {
          tags: { [cubeTags.id]: randomUUID(), [cubeTags.columns]: marked, [cubeTags.curve]: 'zorder' },
          zOrder: {
            columns,
            targetFileBytes: Math.ceil(targetFileBytes ?? even),
            ...(columns.length > 1 && { rowGroupRows: rowsOfGroup }),
          },
        }),
      )
    }
  }
  return bins
}

function chosen(files: readonly AddFile[], marked: string, full: boolean): readonly AddFile[] {
  const fresh: AddFile[] = []
  const sets = new Map<string, AddFile[]>()
  for (const file of files) {
    const id = file.tags?.[cubeTags.id]
    const isOrdered = id !== undefined && file.tags?.[cubeTags.columns] === marked
    if (full || !isOrdered || isMuchDeleted(file)) fresh.push(file)
    else sets.set(id, [...(sets.get(id) ?? []), file])
  }
  if (fresh.length === 0) return []
  let sizeBytes = bytesOf(fresh)
  for (const set of [...sets.values()].sort((a, b) => bytesOf(a) - bytesOf(b))) {
    if (bytesOf(set) > sizeBytes) break
    fresh.push(...set)
    sizeBytes += bytesOf(set)
  }
  return fresh
}

function slicesOf(files: readonly AddFile[]): readonly (readonly AddFile[])[] {
  const slices: AddFile[][] = []
  let sizeBytes = Number.POSITIVE_INFINITY
  for (const file of files) {
    if (sizeBytes + file.size > largestSetBytes) {
      slices.push([])
      sizeBytes = 0
    }
    slices.at(-1)?.push(file)
    sizeBytes += file.size
  }
  return slices
}

/** SQL to sort the rows of `select` by. */
export async function zOrderSql(
  session: DuckDbSession,
  select: string,
  fields: readonly Field[],
  { signal }: IoOptions,
): Promise<string> {
  const names = fields.map(({ name }) => identifier(name))
  if (fields.length === 1) return `${names.join()} nulls first`
  const cuts = Array.from({ length: 2 ** bits - 2 }, (_, index) => (index + 1) / (2 ** bits - 1))
  const bounds = names.map(
    (name, index) =>
      `list_transform(quantile_disc(${name}, [${cuts.join(', ')}]), lambda x: x::varchar) as b${index}`,
  )
  const sample = `select ${names.join(', ')} from (${select}) using sample reservoir(${sampledRows} rows) repeatable (1)`
  const row = await session.row(`select ${bounds.join(', ')} from (${sample})`, { signal })
  const places = fields.map((field, index) => {
    const found = row[`b${index}`]
    const values = [...new Set(Array.isArray(found) ? found.map(String) : [])]
    return placeSql(field, values, (range) => spread(range, index, fields.length))
  })
  return [places.join(' + '), ...names].join(', ')
}

/** The place of a value on the curve, as one column has its bits there: nulls come first. */
function placeSql(
  { name, type }: Field,
  bounds: readonly string[],
  bitsOf: (range: number) => bigint,
): string {
  const column = identifier(name)
  const ranges = bounds.length + 1
  const scaled = (range: number): bigint => bitsOf(Math.floor((range * (2 ** bits - 1)) / ranges))
  const tree = (from: number, to: number): string => {
    if (from === to) return `${scaled(from + 1)}::bigint`
    const middle = (from + to) >>> 1
    const bound = `${text(bounds[middle] ?? '')}::${duckDbType(type)}`
    return `case when ${column} < ${bound} then ${tree(from, middle)} else ${tree(middle + 1, to)} end`
  }
  return `(case when ${column} is null then 0::bigint else ${tree(0, bounds.length)} end)`
}

/** The bits of a number, with the bits of the other columns between them; the first column has the highest. */
function spread(range: number, index: number, columns: number): bigint {
  let sum = 0n
  for (let bit = 0; bit < bits; bit++) {
    if ((range >>> bit) % 2 === 1) sum += 1n << BigInt(bit * columns + (columns - 1 - index))
  }
  return sum
}
