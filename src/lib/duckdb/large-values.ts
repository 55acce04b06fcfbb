/**
 * Answers whose values are megabytes long, within bounded memory.
 *
 * The engine hands over 2,048 rows at a time, and the driver frees them only when the collector of JavaScript takes
 * their small handle. One value of a dictionary in Parquet, repeated 2,048 times, then takes gigabytes.
 */
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type DuckDBConnection, type DuckDBType, DuckDBTypeId, StatementType } from '@duckdb/node-api'
import { identifier, text } from './sql-text.ts'
import { firstWord } from './statements.ts'
import type { Value } from './values.ts'

/** What a chunk of the engine holds at most, as far as its rows allow. */
const mostChunkBytes = 64 << 20
const rowsOfChunk = 2_048
const wrapped = new Set(['select', 'with', 'from', 'values', 'table'])

/**
 * The same query, its rows in the same order, in chunks of at most 64 MiB, or of one row.
 *
 * A row is repeated the more often the larger it is, and kept once: that leaves fewer rows in a chunk. The engine would
 * put small chunks together again if they had no column of lists.
 *
 * @throws what the engine says of a query that is wrong.
 */
export async function inSmallChunks(connection: DuckDBConnection, sql: string): Promise<string> {
  if (!wrapped.has(firstWord(sql))) return sql
  const statement = await connection.prepare(sql)
  try {
    if (statement.statementType !== StatementType.SELECT) return sql
    const columns = Array.from({ length: statement.columnCount }, (_, index) => `c${index}`)
    const sizes = columns.flatMap((column, index) => sizeSql(column, statement.columnType(index)) ?? [])
    if (sizes.length === 0) return sql
    const named = columns.map((column, index) => `${column} as ${identifier(statement.columnName(index))}`)
    const copies = `least(${rowsOfChunk}, ${sumSql(sizes)} // ${mostChunkBytes / rowsOfChunk})`
    const repeats =
      `case when ${copies} <= 1 then [[0]] ` +
      `else list_transform(range(${copies}), lambda copy : [copy]) end`
    return (
      `select ${named.join(', ')} from (select *, unnest(${repeats}) as copy from (\n${sql}\n) ` +
      `as answer(${columns.join(', ')})) where copy[1] = 0`
    )
  } finally {
    statement.destroySync()
  }
}

/** In pairs: the engine refuses an expression that is nested a thousand deep, as a long chain of `+` is. */
function sumSql(terms: readonly string[]): string {
  const middle = terms.length >> 1
  return middle === 0
    ? (terms[0] ?? '0')
    : `(${sumSql(terms.slice(0, middle))} + ${sumSql(terms.slice(middle))})`
}

/** About how many bytes a value has, as SQL; undefined where every value of the type is small. */
function sizeSql(value: string, type: DuckDBType, depth = 0): string | undefined {
  switch (type.typeId) {
    case DuckDBTypeId.VARCHAR:
      return `coalesce(strlen(${value}), 0)`
    case DuckDBTypeId.BLOB:
      return `coalesce(octet_length(${value}), 0)`
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY:
      return itemsSizeSql(value, type.valueType, depth)
    case DuckDBTypeId.MAP: {
      const { keyType, valueType } = type
      return `${itemsSizeSql(`map_keys(${value})`, keyType, depth)} + ${itemsSizeSql(`map_values(${value})`, valueType, depth)}`
    }
    case DuckDBTypeId.STRUCT: {
      const sizes = type.entryNames.flatMap((name, index) => {
        const inner = type.entryTypes[index]
        const field = `struct_extract(${value}, ${text(name)})`
        return (inner && sizeSql(field, inner, depth)) ?? []
      })
      return sizes.length === 0 ? undefined : sumSql(sizes)
    }
    case DuckDBTypeId.UNION:
    case DuckDBTypeId.VARIANT:
    case DuckDBTypeId.BIT:
    case DuckDBTypeId.BIGNUM:
      return `coalesce(strlen(${value}::varchar), 0)`
    default:
      return undefined
  }
}

/** Lists of lists are measured so deep; those below count as their items' number. */
const mostDepth = 3

function itemsSizeSql(items: string, type: DuckDBType, depth: number): string {
  const item = `item${depth}`
  const inner = depth < mostDepth ? sizeSql(item, type, depth + 1) : undefined
  if (inner === undefined) return `coalesce(len(${items}) * 16, 0)`
  return `coalesce(list_sum(list_transform(${items}, lambda ${item} : 16 + ${inner})), 0)::bigint`
}

const mostHeldBytes = 64 << 20

/** Has what the driver still holds freed each time that 64 MiB of values have been read. */
export class FreedMemory {
  #heldBytes = 0

  /** @param sizeBytes of values that are no longer needed, by them and by the engine. */
  async free(sizeBytes: number): Promise<void> {
    this.#heldBytes += sizeBytes
    if (this.#heldBytes < mostHeldBytes) return
    this.#heldBytes = 0
    collectGarbage()
    // What was collected is freed in the next turn of the event loop.
    await setImmediate()
  }
}

/** About what a value takes in memory. */
export function sizeOf(value: Value): number {
  if (typeof value === 'string') return 16 + value.length
  if (typeof value !== 'object' || value === null) return 16
  if (value instanceof Uint8Array) return 16 + value.length
  let sizeBytes = 16
  for (const inner of Array.isArray(value) ? value : Object.values(value)) sizeBytes += sizeOf(inner)
  return sizeBytes
}

let collect: (() => void) | undefined

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  collect ??= runInNewContext('gc') as () => void
  collect()
}
