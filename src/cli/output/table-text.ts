/**
 * Draws rows as a table, or with one line for each value. The time is linear in the number of cells. A column is as
 * wide as its widest cell, but no wider than the terminal allows.
 */
import { formatJson } from '../../lib/base/json.ts'
import { toJson } from './json-value.ts'
import { printable, printableBytes } from './printable.ts'
import { fitted, textWidth } from './text-width.ts'

export interface TableLook {
  /** Cells of the terminal; absent where the text goes to a file or a pipe. */
  readonly width?: number
  /** A line for each value instead of a row. */
  readonly isVertical?: boolean
  /** The text of a null. Default: none. */
  readonly nullText?: string
  /** `1,234,567`. */
  readonly hasGroups?: boolean
}

type Rows = readonly (readonly unknown[])[]

const mostCellWidth = 80
/** Narrower columns tell nothing: the rows are then drawn a line a value. */
const leastColumnWidth = 4
/** `│ a │ b │`: three cells beside each column, and one more. */
const frameWidth = (columns: number): number => 3 * columns + 1

/** Without an end of line. What is too wide for its cell is cut, and ends in `…`. */
export function drawTable(columns: readonly string[], rows: Rows, look: TableLook = {}): string {
  const { width = Number.POSITIVE_INFINITY, isVertical = false } = look
  const names = columns.map((name) => (name === '' ? '(no name)' : printable(name)))
  if (columns.length === 0) return ''
  const isTooNarrow = frameWidth(columns.length) + leastColumnWidth * columns.length > width
  // A table of few narrow columns may fit all the same.
  if (isVertical) return drawVertical(names, rows, look)
  const cells = rows.map((row) => columns.map((_, index) => cellText(row[index], look)))
  const natural = names.map((name, index) => naturalWidth(name, index, cells))
  const isFitting = frameWidth(columns.length) + sum(natural) <= width
  if (isTooNarrow && !isFitting) return drawVertical(names, rows, look)
  const widths = isFitting ? natural : shared(natural, width - frameWidth(columns.length))
  const isRight = columns.map((_, index) => rows.every((row) => isNumberOrNothing(row[index])))
  const line = (left: string, middle: string, right: string): string =>
    `${left}${widths.map((each) => '─'.repeat(each + 2)).join(middle)}${right}`
  const drawn = (texts: readonly string[]): string =>
    `│${texts.map((text, index) => ` ${padded(text, widths[index] ?? 0, isRight[index] ?? false)} `).join('│')}│`
  return [
    line('┌', '┬', '┐'),
    drawn(names),
    line('├', '┼', '┤'),
    ...cells.map(drawn),
    line('└', '┴', '┘'),
  ].join('\n')
}

function drawVertical(names: readonly string[], rows: Rows, look: TableLook): string {
  const { width } = look
  const nameWidth = Math.min(
    40,
    names.reduce((most, name) => Math.max(most, textWidth(name)), 0),
  )
  const valueWidth = width === undefined ? undefined : Math.max(leastColumnWidth, width - nameWidth - 3)
  const blocks = rows.map((row, at) => {
    const lines = names.map((name, index) => {
      const text = cellText(row[index], look, valueWidth ?? Number.POSITIVE_INFINITY)
      return `${padded(name, nameWidth, false)} │ ${valueWidth === undefined ? text : fitted(text, valueWidth)}`
    })
    return [
      `─ row ${at + 1} ${'─'.repeat(Math.max(0, nameWidth - textWidth(`─ row ${at + 1} `) + 1))}┬─`,
      ...lines,
    ]
  })
  return blocks.flat().join('\n')
}

function naturalWidth(name: string, index: number, cells: readonly (readonly string[])[]): number {
  let width = Math.min(mostCellWidth, textWidth(name))
  for (const row of cells) width = Math.max(width, textWidth(row[index] ?? ''))
  return width
}

/** Widths that sum to no more than `room`: narrow columns keep theirs, wide ones share the rest evenly. */
function shared(natural: readonly number[], room: number): readonly number[] {
  const ascending = natural.map((width, index) => ({ width, index })).sort((a, b) => a.width - b.width)
  const widths = [...natural]
  let left = room
  ascending.forEach(({ width, index }, at) => {
    const share = Math.max(1, Math.floor(left / (natural.length - at)))
    widths[index] = Math.min(width, share)
    left -= widths[index]
  })
  return widths
}

function padded(text: string, width: number, isRight: boolean): string {
  const fitting = fitted(text, width)
  const blank = ' '.repeat(Math.max(0, width - textWidth(fitting)))
  return isRight ? blank + fitting : fitting + blank
}

const isNumberOrNothing = (value: unknown): boolean =>
  value === null || value === undefined || typeof value === 'number' || typeof value === 'bigint'

function cellText(value: unknown, look: TableLook, mostWidth = mostCellWidth): string {
  const { nullText = '', hasGroups = false } = look
  if (value === null) return nullText
  if (value === undefined) return ''
  if (typeof value === 'number' || typeof value === 'bigint')
    return hasGroups ? grouped(String(value)) : String(value)
  if (value instanceof Uint8Array) return printableBytes(value, Math.min(mostWidth, 1 << 20))
  const whole = typeof value === 'object' ? formatJson(toJson(value)) : withoutZeros(String(value))
  if (mostWidth === Number.POSITIVE_INFINITY) return printable(whole)
  // What cannot be shown need not be made printable.
  return fitted(printable(whole.slice(0, mostWidth * 16)), mostWidth)
}

/** Of five digits or more before the point: `12,345.5`; years stay as they are. */
function grouped(digits: string): string {
  return /^-?\d{5,}(\.\d+)?$/.test(digits) ? digits.replace(/\B(?<!\.\d*)(?=(\d{3})+(?!\d))/g, ',') : digits
}

/** A time without the zeros at its end: `12:00:00.120000Z` is `12:00:00.12Z`. */
function withoutZeros(text: string): string {
  const found =
    text.length > 40 ? null : /^(?<time>.*\d{2}:\d{2}:\d{2})\.(?<parts>\d{6})(?<zone>Z?)$/.exec(text)
  const { time = '', parts = '', zone = '' } = found?.groups ?? {}
  if (found === null) return text
  const shown = parts.replace(/0+$/, '')
  return `${time}${shown === '' ? '' : `.${shown}`}${zone}`
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)
