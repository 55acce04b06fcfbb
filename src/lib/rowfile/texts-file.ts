/**
 * Rows of texts on their way into DuckDB: a CSV file of ours, in the one form that its reader has no choice about.
 *
 * The first column is the line of the row in the file that it came from. Null is nothing at all.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { text as sqlText } from '../duckdb/sql-text.ts'

/** DuckDB's own limit where none is given. */
const usualLine = 2_000_000

export class TextsFile {
  readonly #path: string
  readonly #file: FileHandle
  #pending = ''
  #rows = 0
  #longestLine = 0
  #hasNewlines = false

  /** @param file Open to be written; the caller closes it. */
  constructor(path: string, file: FileHandle) {
    this.#path = path
    this.#file = file
  }

  get rows(): number {
    return this.#rows
  }

  /** @param fields The record's own text, which is strict CSV without an end of line. */
  addRecord(line: number, fields: string, hasNewline: boolean): void {
    this.#hasNewlines ||= hasNewline
    this.#addLine(`${line},${fields}\n`)
  }

  addRow(line: number, values: readonly (string | null)[]): void {
    let row = String(line)
    for (const value of values) {
      row += ','
      if (value === null) continue
      if (!this.#hasNewlines && /[\n\r]/.test(value)) this.#hasNewlines = true
      row += value.includes('"') ? `"${value.replaceAll('"', '""')}"` : `"${value}"`
    }
    this.#addLine(`${row}\n`)
  }

  async flush(): Promise<void> {
    const text = this.#pending
    this.#pending = ''
    await this.#file.writeFile(text)
  }

  /** SQL: the rows as columns `line`, `c0`, `c1` …, of which all but the first are texts. */
  source(columns: number): string {
    const types = [
      "'line': 'BIGINT'",
      ...Array.from({ length: columns }, (_, index) => `'c${index}': 'VARCHAR'`),
    ]
    const options = [
      `auto_detect = false, header = false, skip = 0, comment = '', strict_mode = true, null_padding = false`,
      `delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false, new_line = '\\n'`,
      `columns = {${types.join(', ')}}, max_line_size = ${Math.max(usualLine, this.#longestLine + 1)}`,
      // A newline within a field is no place to begin at in the middle of the file.
      ...(this.#hasNewlines ? ['parallel = false'] : []),
    ]
    return `read_csv(${sqlText(this.#path)}, ${options.join(', ')})`
  }

  #addLine(line: string): void {
    this.#rows += 1
    // In bytes of UTF-8 at most.
    this.#longestLine = Math.max(this.#longestLine, line.length * 3)
    this.#pending += line
  }
}

/** Makes a file of rows, which `fill` adds, and closes it. */
export async function writeTextsFile(
  path: string,
  fill: (texts: TextsFile) => Promise<void>,
): Promise<TextsFile> {
  const file = await open(path, 'wx')
  try {
    const texts = new TextsFile(path, file)
    await fill(texts)
    await texts.flush()
    return texts
  } finally {
    await file.close()
  }
}
