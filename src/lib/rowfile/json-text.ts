/**
 * The tokens of JSON texts (RFC 8259, strictly), in pieces of a file: numbers and texts as they are written there.
 *
 * A value that may go on behind the piece is read again with the next one.
 */
import { FileFault, quoted } from './fault.ts'

/** Thrown where a value may go on behind the text. */
export const incomplete = new Error('The text ends within a value')

const quote = 34
const backslash = 92
const maxDepth = 500
const loneSurrogate = /\p{Surrogate}/u

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null'

export class JsonText {
  readonly text: string
  readonly isLast: boolean
  at = 0
  #line: number
  #lineStart: number
  #depth = 0

  /** @param lineStart Where the line begins, before the text or in it. */
  constructor(
    text: string,
    {
      line = 1,
      lineStart = 0,
      isLast = true,
    }: { readonly line?: number; readonly lineStart?: number; readonly isLast?: boolean } = {},
  ) {
    this.text = text
    this.#line = line
    this.#lineStart = lineStart
    this.isLast = isLast
  }

  get line(): number {
    return this.#line
  }

  /** The place of the next token. */
  get mark(): { readonly at: number; readonly line: number; readonly lineStart: number } {
    return { at: this.at, line: this.#line, lineStart: this.#lineStart }
  }

  fault(message: string, at = this.at): FileFault {
    return new FileFault(message, { line: this.#line, column: at - this.#lineStart + 1 })
  }

  /** @returns False at the end of the text. */
  skipSpace(): boolean {
    for (; this.at < this.text.length; this.at++) {
      const code = this.text.charCodeAt(this.at)
      if (code === 10) {
        this.#line += 1
        this.#lineStart = this.at + 1
      } else if (code !== 32 && code !== 13 && code !== 9) {
        return true
      }
    }
    return false
  }

  /** The kind of the next value. */
  kind(): JsonKind {
    this.#require('a value')
    const code = this.text.charCodeAt(this.at)
    if (code === quote) return 'string'
    if (code === 123) return 'object'
    if (code === 91) return 'array'
    if (code === 45 || (code >= 48 && code <= 57)) return 'number'
    if (code === 116 || code === 102) return 'boolean'
    if (code === 110) return 'null'
    throw this.#unexpected('a value')
  }

  /** Reads a text as it is written, with its quotes. */
  rawString(): string {
    const from = this.at
    const { text } = this
    for (let at = from + 1; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === quote) {
        this.at = at + 1
        return text.slice(from, at + 1)
      }
      if (code === backslash) at += 1
      else if (code < 32)
        throw this.fault('a text goes over the end of a line, or holds a control character', at)
    }
    if (!this.isLast) throw incomplete
    throw this.fault('the text that begins here does not end', from)
  }

  string(): string {
    const from = this.at
    const raw = this.rawString()
    if (!raw.includes('\\')) return raw.slice(1, -1)
    const value = parsedText(raw)
    if (value === undefined) throw this.fault(`${quoted(raw)} is no text of JSON`, from)
    if (loneSurrogate.test(value)) throw this.fault(`${quoted(raw)} holds half of a character`, from)
    return value
  }

  /** Reads a number, a boolean or null as it is written. */
  word(kind: 'number' | 'boolean' | 'null'): string {
    const { text, at: from } = this
    let at = from
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at)
      const isPart =
        (code >= 48 && code <= 57) ||
        (code >= 97 && code <= 122) ||
        (code >= 65 && code <= 90) ||
        code === 45 ||
        code === 43 ||
        code === 46
      if (!isPart) break
    }
    if (at === text.length && !this.isLast) throw incomplete
    const word = text.slice(from, at)
    const isRight = kind === 'number' ? isNumber(word) : ['true', 'false', 'null'].includes(word)
    if (!isRight) throw this.fault(`expected a value, got ${quoted(word)}`, from)
    this.at = at
    return word
  }

  /** @param onKey is to read the value that comes next. */
  object(onKey: (key: string) => void): void {
    this.#nested(125, () => {
      this.#require('a key')
      if (this.text.charCodeAt(this.at) !== quote) throw this.#unexpected('a key in double quotes')
      const key = this.string()
      this.#punctuation(58, 'a colon')
      this.skipSpace()
      onKey(key)
    })
  }

  /** @param onElement is to read the value that comes next. */
  array(onElement: () => void): void {
    this.#nested(93, onElement)
  }

  /** Reads a value of any kind. */
  skip(): void {
    const kind = this.kind()
    switch (kind) {
      case 'object': {
        const seen = new Set<string>()
        this.object((key) => {
          if (seen.has(key)) throw this.fault(`the key ${quoted(key)} stands twice in one object`)
          seen.add(key)
          this.skip()
        })
        return
      }
      case 'array':
        this.array(() => this.skip())
        return
      case 'string':
        this.string()
        return
      default:
        this.word(kind)
    }
  }

  #nested(end: number, item: () => void): void {
    this.#depth += 1
    if (this.#depth > maxDepth) throw this.fault(`nested more than ${maxDepth} deep`)
    this.at += 1
    this.#require('a value')
    if (this.text.charCodeAt(this.at) === end) {
      this.at += 1
      this.#depth -= 1
      return
    }
    for (;;) {
      this.skipSpace()
      item()
      const closing = String.fromCharCode(end)
      this.#require(`a comma or ${closing}`)
      const code = this.text.charCodeAt(this.at)
      if (code !== 44 && code !== end) throw this.#unexpected(`a comma or ${closing}`)
      this.at += 1
      if (code === end) break
    }
    this.#depth -= 1
  }

  #punctuation(code: number, expected: string): void {
    this.#require(expected)
    if (this.text.charCodeAt(this.at) !== code) throw this.#unexpected(expected)
    this.at += 1
  }

  #require(expected: string): void {
    if (this.skipSpace()) return
    if (!this.isLast) throw incomplete
    throw this.fault(`expected ${expected}, got the end of the file`)
  }

  #unexpected(expected: string): FileFault {
    const [character = ''] = this.text.slice(this.at, this.at + 2)
    return this.fault(`expected ${expected}, got ${quoted(character)}`)
  }
}

function isNumber(word: string): boolean {
  return /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(word)
}

function parsedText(raw: string): string | undefined {
  try {
    return String(JSON.parse(raw))
  } catch {
    return undefined
  }
}

/** Objects one after another, or one list of them: the rows of a file, read from pieces of its text. */
export class JsonReader {
  readonly #onRow: (json: JsonText, line: number) => void
  #line = 1
  #lineStart = 0
  #state: 'begin' | 'lines' | 'first' | 'element' | 'comma' | 'end' = 'begin'

  /** @param onRow is to read the object that comes next; again, where the piece ends within it. */
  constructor(onRow: (json: JsonText, line: number) => void) {
    this.#onRow = onRow
  }

  /** @returns How much of the text was read: the rest comes again, with more behind it. @throws FileFault */
  read(text: string, isLast: boolean): number {
    const json = new JsonText(text, { line: this.#line, lineStart: this.#lineStart, isLast })
    let read = json.mark
    try {
      while (json.skipSpace()) {
        this.#next(json)
        read = json.mark
      }
      read = json.mark
      if (isLast && !['begin', 'lines', 'end'].includes(this.#state)) {
        throw json.fault('the list of rows does not end')
      }
    } catch (error) {
      if (error !== incomplete) throw error
    }
    this.#line = read.line
    this.#lineStart = read.lineStart - read.at
    return read.at
  }

  #next(json: JsonText): void {
    const code = json.text.charCodeAt(json.at)
    if (this.#state === 'begin') {
      this.#state = code === 91 ? 'first' : 'lines'
      if (code === 91) {
        json.at += 1
        return
      }
    }
    if (this.#state === 'end') throw json.fault('expected nothing behind the list of rows')
    if ((this.#state === 'first' || this.#state === 'comma') && code === 93) {
      json.at += 1
      this.#state = 'end'
    } else if (this.#state === 'comma') {
      if (code !== 44) throw json.fault('expected a comma or the end of the list of rows')
      json.at += 1
      this.#state = 'element'
    } else {
      if (code !== 123)
        throw json.fault(`expected a JSON object for each row, got ${quoted(json.text.charAt(json.at))}`)
      this.#onRow(json, json.line)
      if (this.#state !== 'lines') this.#state = 'comma'
    }
  }
}
