/**
 * Formats rows as tables, JSON and CSV.
 *
 * Integers keep all digits. Binary is base64; NaN and the infinities are the texts `NaN`, `Infinity` and `-Infinity`.
 * In CSV (quoted as in RFC 4180, lines end in LF) null is an empty field, an empty text is `""`, and nested values are
 * JSON. If two columns have one name, the second gets a number: `a`, `a:1`.
 */
import { distinctNames } from '../../lib/base/distinct-names.ts'
import { formatJson } from '../../lib/base/json.ts'
import { objectText, toJson } from './json-value.ts'
import { drawTable, type TableLook } from './table-text.ts'

export const rowFormats = ['table', 'json', 'ndjson', 'csv'] as const
export type RowFormat = (typeof rowFormats)[number]

/** Rows by position; the first chunk may be empty, and names the columns. */
export interface RowChunk {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly unknown[])[]
}

/** So many rows are measured and drawn together, and fewer where they are large. */
const tablePage = 1_000
const mostPageLength = 1 << 23
/** A piece of text that is written at once; a row may be longer. */
const mostPiece = 1 << 18

/** The text of all rows, in pieces; never more than a chunk or a page is held. */
export async function* formatRows(
  chunks: AsyncIterable<RowChunk>,
  format: RowFormat,
  look: TableLook = {},
): AsyncIterable<string> {
  switch (format) {
    case 'ndjson':
      yield* inPieces(lines(chunks, objectLine))
      return
    case 'json':
      yield* inPieces(jsonArray(chunks))
      return
    case 'csv':
      yield* inPieces(csv(chunks))
      return
    case 'table':
      yield* tables(chunks, look)
  }
}

/** Lines that are gathered up to a size, so that memory follows the bytes and not the number of rows. */
async function* inPieces(lines: AsyncIterable<readonly string[] | Iterable<string>>): AsyncIterable<string> {
  for await (const some of lines) {
    let piece = ''
    for (const line of some) {
      piece += line
      if (piece.length < mostPiece) continue
      yield piece
      piece = ''
    }
    if (piece !== '') yield piece
  }
}

type RowText = (names: readonly string[], row: readonly unknown[]) => string

const objectLine: RowText = (names, row) => `${objectText(names, row)}\n`

async function* lines(chunks: AsyncIterable<RowChunk>, textOf: RowText): AsyncIterable<Iterable<string>> {
  let names: readonly string[] | undefined
  for await (const { columns, rows } of chunks) {
    names ??= jsonNames(columns)
    yield textsOf(names, rows, textOf)
  }
}

function* textsOf(names: readonly string[], rows: RowChunk['rows'], textOf: RowText): Iterable<string> {
  for (const row of rows) yield textOf(names, row)
}

const jsonNames = (columns: readonly string[]): readonly string[] =>
  distinctNames(columns).map((name) => formatJson(name))

async function* jsonArray(chunks: AsyncIterable<RowChunk>): AsyncIterable<Iterable<string>> {
  let separator = '['
  yield* lines(chunks, (names, row) => {
    const text = `${separator}${objectText(names, row)}`
    separator = ',\n'
    return text
  })
  yield [separator === '[' ? '[]\n' : ']\n']
}

async function* csv(chunks: AsyncIterable<RowChunk>): AsyncIterable<Iterable<string>> {
  let isFirst = true
  for await (const { columns, rows } of chunks) {
    if (isFirst) yield [csvLine(distinctNames(columns))]
    isFirst = false
    yield textsOf([], rows, (_, row) => csvLine(row))
  }
}

const csvLine = (fields: readonly unknown[]): string => `${fields.map(csvField).join(',')}\n`

async function* tables(chunks: AsyncIterable<RowChunk>, look: TableLook): AsyncIterable<string> {
  let page: (readonly unknown[])[] = []
  let length = 0
  let named: readonly string[] = []
  let isDrawn = false
  for await (const { columns, rows } of chunks) {
    named = columns
    for (const row of rows) {
      page.push(row)
      for (const value of row) length += lengthOf(value)
      if (page.length < pageOf(columns) && length < mostPageLength) continue
      yield `${drawTable(named, page, look)}\n`
      isDrawn = true
      page = []
      length = 0
    }
  }
  if (page.length > 0 || (!isDrawn && named.length > 0)) yield `${drawTable(named, page, look)}\n`
}

/** Of what is nested, the chunks alone set a bound. */
const lengthOf = (value: unknown): number =>
  typeof value === 'string' || value instanceof Uint8Array ? value.length : 0

/** Of a table with many columns fewer rows are drawn together. */
const pageOf = (columns: readonly string[]): number =>
  Math.max(1, Math.min(tablePage, Math.floor(100_000 / Math.max(1, columns.length))))

function csvField(value: unknown): string {
  const plain = toJson(value)
  if (plain === null || plain === undefined) return ''
  const text = typeof plain === 'object' ? formatJson(plain) : String(plain)
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
