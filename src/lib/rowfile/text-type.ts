/**
 * The narrowest type that gives texts back as they are: what it prints for each value is the text that was read.
 *
 * `007`, `1e3`, `yes`, `01/02/2024` and a number of more digits than its type keeps are texts, therefore.
 */
import type { ColumnType } from '../duckdb/column-type.ts'
import { isoTimestamp } from '../duckdb/values.ts'

const long = 1
const double = 2
const decimal = 4
const boolean = 8
const date = 16
const timestamp = 32
const timestampNtz = 64
const any = 127

const maxLong = 2n ** 63n - 1n
const minLong = -(2n ** 63n)
const decimalDigits = 38

export const textType: ColumnType = { kind: 'scalar', name: 'VARCHAR' }

const names: readonly (readonly [number, string])[] = [
  [long, 'BIGINT'],
  [double, 'DOUBLE'],
  [boolean, 'BOOLEAN'],
  [date, 'DATE'],
  [timestamp, 'TIMESTAMP WITH TIME ZONE'],
  [timestampNtz, 'TIMESTAMP'],
]

/** The types that all values of a column allow so far. */
export class TextTypes {
  #allowed = any
  #isEmpty = true
  /** Of decimals: all have the same number of digits after the point. */
  #scale: number | undefined
  #wholeDigits = 0

  /** A value of CSV: a text that says nothing of its type. */
  addText(text: string): void {
    this.#isEmpty = false
    if (this.#allowed === 0) return
    this.#allowed &= typesOf(text)
    if ((this.#allowed & decimal) !== 0) this.#addDecimal(text)
  }

  /** A text of JSON, which is never a number or a boolean. */
  addString(text: string): void {
    this.#isEmpty = false
    this.#allowed &= date | timestamp | timestampNtz
    if (this.#allowed !== 0) this.#allowed &= timesOf(text)
  }

  /** A number of JSON: `1.0` and `1` are one value. */
  addNumber(digits: string): void {
    this.#isEmpty = false
    this.#allowed &= long | double
    if (this.#allowed !== 0) this.#allowed &= numbersOf(digits)
  }

  addBoolean(): void {
    this.#isEmpty = false
    this.#allowed &= boolean
  }

  /** Whatever else comes. */
  get isText(): boolean {
    return this.#allowed === 0
  }

  get type(): ColumnType {
    if (this.#isEmpty) return textType
    const name = names.find(([bit]) => (this.#allowed & bit) !== 0)?.[1]
    if (name !== undefined) return { kind: 'scalar', name }
    if ((this.#allowed & decimal) === 0 || this.#scale === undefined) return textType
    const isShort = this.#wholeDigits + this.#scale <= 18
    return { kind: 'decimal', precision: isShort ? 18 : decimalDigits, scale: this.#scale }
  }

  #addDecimal(text: string): void {
    const [whole = '', fraction = ''] = text.replace('-', '').split('.')
    this.#scale ??= fraction.length
    this.#wholeDigits = Math.max(this.#wholeDigits, whole.length)
    const fits = this.#scale === fraction.length && this.#wholeDigits + this.#scale <= decimalDigits
    if (!fits) this.#allowed &= ~decimal
  }
}

function typesOf(text: string): number {
  const first = text.charCodeAt(0)
  if ((first >= 48 && first <= 57) || first === 45) {
    if (isShortWhole(text)) return long | double
    return numberPattern.test(text) ? printedNumbersOf(text) : timesOf(text)
  }
  return text === 'true' || text === 'false' ? boolean : 0
}

/** Up to 15 digits, and no more zeros in front than there must be. */
function isShortWhole(text: string): boolean {
  if (text.length > 15 || (text.length > 1 && text.charCodeAt(0) === 48)) return false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 48 || code > 57) return false
  }
  return true
}

const numberPattern = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]\d+)?$/
const wholePattern = /^-?\d+$/
const decimalPattern = /^-?\d+\.\d+$/
const zeroPattern = /^-[0.]+$/

/** @param text matches `numberPattern`. */
function printedNumbersOf(text: string): number {
  if (zeroPattern.test(text)) return 0
  const isPrinted = String(Number(text)) === text
  if (wholePattern.test(text)) return (isLong(text) ? long : 0) | (isPrinted ? double : 0)
  return (isPrinted ? double : 0) | (decimalPattern.test(text) ? decimal : 0)
}

/** @param digits A whole number. */
function isLong(digits: string): boolean {
  if (digits.length < 19) return true
  if (digits.length > 20) return false
  const value = BigInt(digits)
  return value >= minLong && value <= maxLong
}

function numbersOf(digits: string): number {
  if (isShortWhole(digits)) return long | double
  if (wholePattern.test(digits) && digits !== '-0') {
    return (isLong(digits) ? long : 0) | (digits.length < 16 || isExact(digits) ? double : 0)
  }
  return isExact(digits) ? double : 0
}

/** Of at most 15 digits, which a double keeps. */
const shortDecimal = /^\d+\.\d+$/

/** Whether a double prints the same number, in whatever form. */
function isExact(digits: string): boolean {
  if (digits.length <= 16 && shortDecimal.test(digits)) return true
  const value = Number(digits)
  return (
    Number.isFinite(value) &&
    plainForm(String(value)) === plainForm(digits.replace(/^-(?=[0.]+(?:e|$))/i, ''))
  )
}

/** Sign, significant digits, and the power of ten of the last of them. */
function plainForm(number: string): string {
  const {
    sign = '',
    whole = '',
    fraction = '',
    power = '0',
  } = /^(?<sign>-?)(?<whole>\d+)(?:\.(?<fraction>\d+))?(?:e(?<power>[+-]?\d+))?$/i.exec(number)?.groups ?? {}
  const all = (whole + fraction).replace(/^0+/, '')
  const significant = all.replace(/0+$/, '')
  if (significant === '') return '0'
  return `${sign}${significant}e${Number(power) - fraction.length + all.length - significant.length}`
}

const datePattern = /^\d{4}-\d\d-\d\d$/
const timePattern =
  /^(?<date>\d{4}-\d\d-\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.(?<fraction>\d{1,6}))?(?<zone>Z?)$/

/** Dates from 0001-01-01 to 9999-12-31, and timestamps in the one form in which they are printed. */
function timesOf(text: string): number {
  if (text.length < 10 || text.length > 27 || text.charCodeAt(4) !== 45) return 0
  if (text.length === 10) return datePattern.test(text) && isDay(text) ? date : 0
  const { date: day = '', fraction = '', zone = '' } = timePattern.exec(text)?.groups ?? {}
  if (!isDay(day)) return 0
  const micros = BigInt(Date.parse(`${text.slice(0, 19)}Z`)) * 1000n + BigInt(fraction.padEnd(6, '0'))
  if (isoTimestamp(micros, zone === 'Z' ? 'Z' : '') !== text) return 0
  return zone === 'Z' ? timestamp : timestampNtz
}

const daysOfMonths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** @param date `YYYY-MM-DD`, or nothing. */
function isDay(date: string): boolean {
  const [year, month, day] = [Number(date.slice(0, 4)), Number(date.slice(5, 7)), Number(date.slice(8))]
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  const days = month === 2 && isLeap ? 29 : (daysOfMonths[month - 1] ?? 0)
  return year > 0 && day > 0 && day <= days
}
