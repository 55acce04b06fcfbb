/** Quotes names and values for SQL of ClickHouse. Any input gives exactly one token. */
import { LakeError } from '../base/errors.ts'

const escapes: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  "'": "\\'",
  '`': '\\`',
  '\0': '\\0',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

const special = /[\\'`\0\b\f\n\r\t]/g

const escaped = (text: string): string =>
  text.replace(special, (character) => escapes[character] ?? character)

/** `'it\'s'`: a string literal that ClickHouse reads back as exactly `text`. */
export function quoteLiteral(text: string): string {
  return `'${escaped(text)}'`
}

/** `` `name` ``: any name that is not empty. */
export function quoteIdentifier(name: string): string {
  if (name === '') throw new LakeError('BUG', 'quote an identifier: expected a name, got an empty text')
  return `\`${escaped(name)}\``
}

/** `database.table` or `table`, each part quoted. The first dot separates. */
export function quoteTable(name: string): string {
  const dot = name.indexOf('.')
  if (dot < 0) return quoteIdentifier(name)
  return `${quoteIdentifier(name.slice(0, dot))}.${quoteIdentifier(name.slice(dot + 1))}`
}
