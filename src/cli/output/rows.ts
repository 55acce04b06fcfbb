/**
 * Rows as text: cells, JSON, CSV.
 *
 * Integers keep all digits. Binary is base64, NaN and the infinities are the texts `NaN`, `Infinity` and
 * `-Infinity`. In CSV (quoted as in RFC 4180, lines end in LF) null is an empty field and an empty text is `""`; what is nested is JSON.
 */
import Table from 'cli-table3'
import { formatJson } from '../../lib/base/json.ts'
import { printable, printableBytes } from './printable.ts'

export const rowFormats = ['table', 'json', 'ndjson', 'csv'] as const
export type RowFormat = (typeof rowFormats)[number]

/** Rows by position; the first chunk may be empty, and names the columns. */
export interface RowChunk {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly unknown[])[]
}

/** So many rows are measured and drawn together. */
const tablePage = 1_000
const cellWidth = 80

/** The text of all rows, in pieces; never more than a chunk or a page is held. */
export async function* formatRows(chunks: AsyncIterable<RowChunk>, format: RowFormat): AsyncIterable<string> {
  switch (format) {
    case 'ndjson':
      for await (const { columns, rows } of chunks)
        yield rows.map((row) => `${objectText(columns, row)}\n`).join('')
      return
    case 'json':
      yield* jsonArray(chunks)
      return
    case 'csv':
      yield* csv(chunks)
      return
    case 'table':
      yield* tables(chunks)
  }
}

async function* jsonArray(chunks: AsyncIterable<RowChunk>): AsyncIterable<string> {
  let separator = '['
  for await (const { columns, rows } of chunks) {
    let text = ''
    for (const row of rows) {
      text += `${separator}${objectText(columns, row)}`
      separator = ',\n'
    }
    yield text
  }
  yield separator === '[' ? '[]\n' : ']\n'
}

async function* csv(chunks: AsyncIterable<RowChunk>): AsyncIterable<string> {
  let isFirst = true
  for await (const { columns, rows } of chunks) {
    const lines = rows.map((row) => row.map(csvField).join(','))
    if (isFirst) lines.unshift(columns.map(csvField).join(','))
    isFirst = false
    yield lines.map((line) => `${line}\n`).join('')
  }
}

async function* tables(chunks: AsyncIterable<RowChunk>): AsyncIterable<string> {
  let page: (readonly unknown[])[] = []
  let named: readonly string[] = []
  let isDrawn = false
  for await (const { columns, rows } of chunks) {
    named = columns
    for (const row of rows) {
      page.push(row)
      if (page.length < tablePage) continue
      yield `${drawTable(named, page)}\n`
      isDrawn = true
      page = []
    }
  }
  if (page.length > 0 || (!isDrawn && named.length > 0)) yield `${drawTable(named, page)}\n`
}

/** A table of cells, without an end of line. What is too wide for a cell is cut, and ends in `…`. */
export function drawTable(columns: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const isNumeric = columns.map((_, index) =>
    rows.every((row) => ['number', 'bigint', 'undefined'].includes(typeof (row[index] ?? undefined))),
  )
  const table = new Table({
    head: columns.map(printable),
    style: { head: [], border: [], compact: true },
    colAligns: isNumeric.map((right) => (right ? 'right' : 'left')),
  })
  table.push(...rows.map((row) => columns.map((_, index) => cellText(row[index]))))
  return table.toString()
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (value instanceof Uint8Array) return printableBytes(value, cellWidth)
  const text = printable(typeof value === 'object' ? formatJson(toJson(value)) : String(value))
  return text.length > cellWidth ? `${text.slice(0, cellWidth - 1)}…` : text
}

function csvField(value: unknown): string {
  const plain = toJson(value)
  if (plain === null || plain === undefined) return ''
  const text = typeof plain === 'object' ? formatJson(plain) : String(plain)
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function objectText(columns: readonly string[], row: readonly unknown[]): string {
  return formatJson(Object.fromEntries(columns.map((name, index) => [name, toJson(row[index] ?? null)])))
}

/** The value as JSON can hold it. */
export function toJson(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (Array.isArray(value)) return value.map(toJson)
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toJson(each)]))
}
