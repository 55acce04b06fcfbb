/** Several SQL statements in one text, told apart without running them. */

const token =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?<tag>\w*)\$[\s\S]*?\$\k<tag>\$|--[^\n]*|\/\*[\s\S]*?\*\/|;|[^'"$\-/;]+|[\s\S]/gy

/** Each statement as it is written, without the semicolons between them; what is blank or a comment alone is none. */
export function splitStatements(sql: string): readonly string[] {
  const statements: string[] = []
  let statement = ''
  let isEmpty = true
  const end = (): void => {
    if (!isEmpty) statements.push(statement.trim())
    statement = ''
    isEmpty = true
  }
  for (const [text] of sql.matchAll(token)) {
    if (text === ';') {
      end()
      continue
    }
    statement += text
    if (!/^(--|\/\*)/.test(text) && text.trim() !== '') isEmpty = false
  }
  end()
  return statements
}

/** The first word of a statement, in small letters: `select`, `create`. */
export function firstWord(statement: string): string {
  const bare = statement.replace(/^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/|\()+/, '')
  return /^\w+/.exec(bare)?.[0].toLowerCase() ?? ''
}
