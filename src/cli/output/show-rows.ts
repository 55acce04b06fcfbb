/**
 * Shows rows on stdout. A table on a terminal has only the first rows, and says how many there are. Every other
 * format, and a pipe, gets all rows as they come.
 */
import type { CommandLine } from '../command-line.ts'
import { formatRows, type RowChunk, type RowFormat } from './rows.ts'

/** Rows, and how many follow that were counted and not read. */
export interface CountedChunk extends RowChunk {
  readonly more?: number
}

/** @param limit where only so many rows are wanted: those beyond may be left unread, and counted in `more`. */
export type RowSource = (limit: number | undefined) => AsyncIterable<CountedChunk>

export interface ShowOptions {
  readonly format: RowFormat
  /** At most so many, in any format. */
  readonly limit?: number
  readonly isVertical?: boolean
}

export interface Shown {
  readonly rows: number
  /** Of the answer; more than were shown only where a terminal got the first. */
  readonly total: number
}

const rowsOfTerminal = 100

export async function showRows(
  source: RowSource,
  { format, limit, isVertical = false }: ShowOptions,
  { output }: CommandLine,
): Promise<Shown> {
  const isCut = limit === undefined && format === 'table' && output.isTty
  const most = isCut ? rowsOfTerminal : limit
  const counts = { rows: 0, total: 0 }
  const chunks = firstRows(source(most), counts, most, isCut)
  const look = { ...output.look, isVertical, nullText: 'NULL' }
  for await (const text of formatRows(chunks, format, look)) await output.write(text)
  return counts
}

/** `100 of 103,000 rows`. */
export function countsText({ rows, total }: Shown): string {
  const all = `${total.toLocaleString('en')} ${total === 1 ? 'row' : 'rows'}`
  return rows === total ? all : `${rows.toLocaleString('en')} of ${all}`
}

/** @param countsAll whether the source is read to its end, to know how many rows there are. */
export async function* firstRows(
  chunks: AsyncIterable<CountedChunk>,
  counts: { rows: number; total: number },
  most = Number.POSITIVE_INFINITY,
  countsAll = false,
): AsyncIterable<RowChunk> {
  for await (const { columns, rows, more = 0 } of chunks) {
    const wanted = counts.rows + rows.length > most ? rows.slice(0, most - counts.rows) : rows
    counts.rows += wanted.length
    counts.total += countsAll ? rows.length + more : wanted.length
    if (wanted.length > 0 || rows.length === 0) yield { columns, rows: wanted }
    if (counts.rows >= most && !countsAll) return
  }
}
