/**
 * Reads a statement as far as the HTTP interface needs it, before the engine sees it: does it read, where does
 * the data of an INSERT begin, which format does it name, does it call a function that is not served.
 *
 * It looks at ASCII characters only. So a body may be decoded as latin1, and positions are byte offsets.
 */

export interface InsertParts {
  /** Everything before the clause that names settings, format or values. */
  readonly target: string
  /** `SETTINGS …`, or nothing. */
  readonly settings: string
  readonly format: string
  /** Where the data begins. */
  readonly dataAt: number
}

export type Statement =
  | { readonly kind: 'empty' }
  | { readonly kind: 'refused'; readonly code: number; readonly type: string; readonly reason: string }
  | { readonly kind: 'insert'; readonly parts: InsertParts }
  | {
      /** `read` changes nothing; `session` would outlive its request (SET, USE, temporary tables). */
      readonly kind: 'read' | 'write' | 'session'
      readonly format: string | undefined
      /** Where `INTO OUTFILE` would stand: before FORMAT, or at the end of the statement. */
      readonly resultAt: number
    }

interface Token {
  readonly kind: 'word' | 'name' | 'literal' | 'sign'
  readonly text: string
  readonly at: number
  readonly end: number
  readonly depth: number
}

const trivia = /(?:\s+|--[^\n]*|#[ !][^\n]*|\/\*[\s\S]*?(?:\*\/|$))+/y
const lexeme =
  /(?<word>[A-Za-z_]\w*)|(?<name>[`"])|(?<text>')|(?<literal>\$(?<tag>\w*)\$[\s\S]*?(?:\$\k<tag>\$|$)|\d[\w.]*)|(?<sign>[\s\S])/y

function* tokensOf(sql: string): Generator<Token, undefined> {
  let depth = 0
  let at = 0
  while (at < sql.length) {
    trivia.lastIndex = at
    if (trivia.test(sql)) {
      at = trivia.lastIndex
      continue
    }
    lexeme.lastIndex = at
    const match = lexeme.exec(sql)
    if (match === null) return undefined
    const { word, name, text: quote, sign } = match.groups ?? {}
    const end = (name ?? quote) ? endOfQuoted(sql, at) : lexeme.lastIndex
    const text = sql.slice(at, end)
    const kind =
      word !== undefined ? 'word' : name !== undefined ? 'name' : sign !== undefined ? 'sign' : 'literal'
    if (kind === 'sign' && ')]}'.includes(text)) depth--
    yield { kind, text, at, end, depth }
    if (kind === 'sign' && '([{'.includes(text)) depth++
    at = end
  }
  return undefined
}

/** Past the quote that closes the one at `at`. No pattern: those keep a place for each character of a long text. */
function endOfQuoted(sql: string, at: number): number {
  const quote = sql[at]
  for (let here = at + 1; here < sql.length; here++) {
    if (sql[here] === '\\' || (sql[here] === quote && sql[here + 1] === quote)) here++
    else if (sql[here] === quote) return here + 1
  }
  return sql.length
}

/** Functions that open files or run programs, and that no grant of the engine covers. */
const forbiddenCalls: ReadonlySet<string> = new Set(['file', 'disk', 'executable', 'embeddedrocksdb'])

/** The name of a function that is not served, where `sign` opens its arguments. */
function forbiddenCall(before: Token | undefined, name: Token, sign: Token): string | undefined {
  if (sign.text !== '(' || (name.kind !== 'word' && name.kind !== 'name')) return undefined
  // The name of a table, with its columns.
  if (isWord(before, 'TABLE', 'INTO', 'EXISTS') || before?.text === '.') return undefined
  const text = name.kind === 'word' ? name.text : name.text.slice(1, -1)
  // A quoted name may spell its letters as escapes.
  return forbiddenCalls.has(text.toLowerCase()) || text.includes('\\') ? text : undefined
}

const isWord = (token: Token | undefined, ...words: readonly string[]): boolean =>
  token?.kind === 'word' && words.includes(token.text.toUpperCase())

const readingVerbs = ['SELECT', 'WITH', 'SHOW', 'DESCRIBE', 'DESC', 'EXPLAIN', 'EXISTS', 'CHECK', 'FROM']

const refused = (code: number, type: string, reason: string): Statement => ({
  kind: 'refused',
  code,
  type,
  reason,
})

/** What `sql` is. An INSERT is read up to its data; every other statement to its end. */
export function readStatement(sql: string): Statement {
  const tokens = tokensOf(sql)
  const first = tokens.next().value
  if (first === undefined) return { kind: 'empty' }
  return isWord(first, 'INSERT') ? readInsert(sql, tokens) : readWhole(first, tokens)
}

function readWhole(first: Token, tokens: Generator<Token, undefined>): Statement {
  const second = tokens.next().value
  let isReading = isWord(first, ...readingVerbs) || first.text === '('
  let format: { readonly name: Token; readonly at: number } | undefined
  let end = first.end
  let last: Token = first
  let beforeLast: Token | undefined
  let isClosed = false
  const visit = (token: Token): Statement | undefined => {
    const call = forbiddenCall(beforeLast, last, token)
    if (call !== undefined)
      return refused(497, 'ACCESS_DENIED', `Not enough privileges: ${call}() is not served`)
    if (isClosed && token.text !== ';') {
      return refused(62, 'SYNTAX_ERROR', 'Syntax error (Multi-statements are not allowed)')
    }
    if (token.depth === 0) {
      if (token.text === ';') isClosed = true
      if (isWord(last, 'INTO') && isWord(token, 'OUTFILE')) {
        return refused(48, 'NOT_IMPLEMENTED', 'INTO OUTFILE is not allowed over HTTP')
      }
      if (isWord(first, 'WITH') && last.text === ')' && isWord(token, 'INSERT')) isReading = false
      if (isWord(last, 'FORMAT') && token.kind === 'word') format = { name: token, at: last.at }
      else if (format !== undefined && format.name === last && !isClosed && !isWord(token, 'SETTINGS')) {
        format = undefined
      }
    }
    if (!isClosed) end = token.end
    beforeLast = last
    last = token
    return undefined
  }
  if (second !== undefined) {
    const fault = visit(second)
    if (fault !== undefined) return fault
  }
  for (const token of tokens) {
    const fault = visit(token)
    if (fault !== undefined) return fault
  }
  const outlives =
    isWord(first, 'SET', 'USE') || (isWord(first, 'CREATE') && isWord(second, 'TEMPORARY', 'OR'))
  return {
    kind: outlives ? 'session' : isReading ? 'read' : 'write',
    format: format?.name.text,
    resultAt: format?.at ?? end,
  }
}

function readInsert(sql: string, tokens: Generator<Token, undefined>): Statement {
  const write: Statement = { kind: 'write', format: undefined, resultAt: sql.length }
  let token = tokens.next().value
  if (isWord(token, 'INTO')) token = tokens.next().value
  if (isWord(token, 'TABLE', 'FUNCTION')) token = tokens.next().value
  if (token === undefined) return write
  let settingsAt: number | undefined
  let isInName = true
  for (;;) {
    const next = tokens.next().value
    if (next === undefined) return write
    // A table may be called `format` or `values`: its name ends where no dot follows.
    if (isInName) {
      if (next.text === '.') {
        tokens.next()
        continue
      }
      isInName = false
    }
    if (next.depth > 0) continue
    if (isWord(next, 'SELECT', 'WITH', 'WATCH')) {
      const source = readWhole(next, tokens)
      return source.kind === 'refused' ? source : write
    }
    if (isWord(next, 'INFILE')) return refused(48, 'NOT_IMPLEMENTED', 'FROM INFILE is not allowed over HTTP')
    if (isWord(next, 'SETTINGS')) settingsAt ??= next.at
    if (isWord(next, 'FORMAT', 'VALUES')) {
      const name = isWord(next, 'VALUES') ? undefined : tokens.next().value
      if (isWord(next, 'FORMAT') && name?.kind !== 'word') return write
      return {
        kind: 'insert',
        parts: {
          target: sql.slice(0, settingsAt ?? next.at),
          settings: settingsAt === undefined ? '' : sql.slice(settingsAt, next.at),
          format: name?.text ?? 'Values',
          dataAt: afterFormat(sql, name?.end ?? next.end),
        },
      }
    }
  }
}

function afterFormat(sql: string, at: number): number {
  const gap = /[ \t]*;?[ \t]*\r?\n?/y
  gap.lastIndex = at
  gap.test(sql)
  return gap.lastIndex
}
