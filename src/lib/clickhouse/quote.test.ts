import { describe, expect, it } from 'vitest'
import { quoteIdentifier, quoteLiteral, quoteTable } from './quote.ts'

describe('quoteLiteral(text)', () => {
  it('escapes what would end or change the literal', () => {
    expect(quoteLiteral(`it's \\ a\n\t\0 "ü"`)).toBe(`'it\\'s \\\\ a\\n\\t\\0 "ü"'`)
  })
})

describe('quoteIdentifier(name)', () => {
  it('keeps a name with a backtick one name', () => {
    expect(quoteIdentifier('a`b')).toBe('`a\\`b`')
  })

  it('refuses an empty name', () => {
    expect(() => quoteIdentifier('')).toThrow('expected a name')
  })
})

describe('quoteTable(name)', () => {
  it('quotes database and table apart', () => {
    expect(quoteTable('gold.daily')).toBe('`gold`.`daily`')
    expect(quoteTable('daily')).toBe('`daily`')
  })
})
