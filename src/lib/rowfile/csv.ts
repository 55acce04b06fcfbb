/**
 * CSV as RFC 4180 has it, strictly: commas, double quotes, one header, as many fields in each record.
 *
 * Nothing is sniffed: no line is a comment, none is skipped but an empty one where a record has several fields.
 */
import { mostColumns } from '../duckdb/column-type.ts'
import { FileFault, quoted } from './fault.ts'

const comma = 44
const quote = 34
const newline = 10
const carriageReturn = 13

/** One record: the fields of `text` from `from` to `to`, as they are written there. */
export interface CsvRecord {
  readonly line: number
  readonly text: string
  readonly from: number
  readonly to: number
  /** Where each field begins and ends, in turn. */
  readonly bounds: readonly number[]
  readonly hasNewline: boolean
}

/** Reads records from pieces of a text. */
export class CsvReader {
  readonly #onRecord: (record: CsvRecord) => void
  #line = 1
  #fields: number | undefined
  readonly #bounds: number[] = []

  /** @param onRecord is given the header first. A record is good until it returns. */
  constructor(onRecord: (record: CsvRecord) => void) {
    this.#onRecord = onRecord
  }

  /** @returns How much of the text was read: the rest comes again, with more behind it. @throws FileFault */
  read(text: string, isLast: boolean): number {
    let from = 0
    while (from < text.length) {
      const to = this.#endOfRecord(text, from, isLast)
      if (to === undefined) break
      this.#add(text, from, to)
      from = to + (text.charCodeAt(to) === carriageReturn ? 2 : 1)
    }
    return Math.min(from, text.length)
  }

  /** Notes where the fields are. @returns `undefined` where the record may go on behind the text. */
  #endOfRecord(text: string, from: number, isLast: boolean): number | undefined {
    const bounds = this.#bounds
    bounds.length = 0
    let at = from
    for (;;) {
      bounds.push(at)
      if (text.charCodeAt(at) === quote) {
        const close = closingQuote(text, at)
        if (!isLast && (close === -1 || close + 1 === text.length)) return undefined
        if (close === -1) throw this.#fault('the quote that opens here is not closed', { text, from, at })
        at = close + 1
      } else {
        at = endOfField(text, at)
      }
      bounds.push(at)
      const end = text.charCodeAt(at)
      if (end === comma) {
        at += 1
        continue
      }
      if (!isLast && (at === text.length || (end === carriageReturn && at + 1 === text.length)))
        return undefined
      const isEnd =
        at === text.length ||
        end === newline ||
        (end === carriageReturn && (at + 1 === text.length || text.charCodeAt(at + 1) === newline))
      if (isEnd) return at
      throw this.#fault(strayMessage(text, at, bounds.at(-2) ?? at), { text, from, at })
    }
  }

  #add(text: string, from: number, to: number): void {
    const line = this.#line
    const newlines = newlinesIn(text, from, to)
    this.#line += newlines + 1
    const fields = this.#bounds.length / 2
    if (from === to && this.#fields !== 1) return
    if (fields !== (this.#fields ?? fields)) {
      throw new FileFault(`CSV: expected ${this.#fields} fields as in the header, got ${fields}`, { line })
    }
    this.#fields = fields
    this.#onRecord({ text, from, to, bounds: this.#bounds, line, hasNewline: newlines > 0 })
  }

  #fault(
    message: string,
    { text, from, at }: { readonly text: string; readonly from: number; readonly at: number },
  ): FileFault {
    const line = this.#line + newlinesIn(text, from, at)
    const lineStart = Math.max(from, text.lastIndexOf('\n', at - 1) + 1)
    return new FileFault(message, { line, column: at - lineStart + 1 })
  }
}

function newlinesIn(text: string, from: number, to: number): number {
  let count = 0
  for (let at = text.indexOf('\n', from); at !== -1 && at < to; at = text.indexOf('\n', at + 1)) count += 1
  return count
}

/** The value of a field as it is written; null for nothing at all. */
export function csvValue(text: string, from: number, to: number): string | null {
  if (from === to) return null
  if (text.charCodeAt(from) !== quote) return text.slice(from, to)
  const value = text.slice(from + 1, to - 1)
  return value.includes('"') ? value.replaceAll('""', '"') : value
}

function closingQuote(text: string, from: number): number {
  let at = text.indexOf('"', from + 1)
  while (at !== -1 && text.charCodeAt(at + 1) === quote) at = text.indexOf('"', at + 2)
  return at
}

function endOfField(text: string, from: number): number {
  let at = from
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === comma || code === newline || code === carriageReturn || code === quote) break
  }
  return at
}

function strayMessage(text: string, at: number, fieldFrom: number): string {
  if (text.charCodeAt(at) === carriageReturn)
    return 'CSV: a carriage return without a newline; put the field in quotes'
  return text.charCodeAt(fieldFrom) === quote
    ? `CSV: expected a comma or the end of the line after the closing quote, got ${quoted(text.charAt(at))}`
    : 'CSV: a quote within a field that does not begin with one; put the field in quotes, and double this one'
}

/** @returns The names. @throws FileFault for one that is empty, or there already but for case. */
export function headerNames({ text, bounds, line }: CsvRecord): readonly string[] {
  const columns: string[] = []
  for (let index = 0; index < bounds.length; index += 2) {
    columns.push(csvValue(text, bounds[index] ?? 0, bounds[index + 1] ?? 0) ?? '')
  }
  requireNames(columns, line)
  return columns
}

function requireNames(columns: readonly string[], line: number): void {
  if (columns.length > mostColumns) {
    throw new FileFault(`the header has ${columns.length} columns, and ${mostColumns} are the most`, { line })
  }
  const seen = new Map<string, string>()
  columns.forEach((name, index) => {
    if (name === '') throw new FileFault(`the header has no name for its field ${index + 1}`, { line })
    const same = seen.get(name.toLowerCase())
    if (same !== undefined) {
      throw new FileFault(`the header names the columns ${quoted(same)} and ${quoted(name)}, which are one`, {
        line,
      })
    }
    seen.set(name.toLowerCase(), name)
  })
}
