/**
 * Files of people as rows of texts: CSV, JSON (one object after another, or a list of them), packed or not.
 *
 * Nothing is guessed away. Every value reaches the engine as the text that the file has; the type of a column is one
 * that prints each of its texts as it is, or VARCHAR. What cannot be kept is refused, with line and column.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, extname, join, resolve } from 'node:path'
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import type { ColumnType, TypedColumn } from '../duckdb/column-type.ts'
import { firstBytes, readText, requireFile, spool, unpack } from './byte-source.ts'
import { CsvReader, type CsvRecord, csvValue, headerNames } from './csv.ts'
import { FileFault, fileFault, quoted } from './fault.ts'
import { Shape } from './json-shape.ts'
import { JsonReader, JsonText } from './json-text.ts'
import { TextTypes } from './text-type.ts'
import { type TextsFile, writeTextsFile } from './texts-file.ts'

export interface RowFileOptions extends IoOptions {
  /** The columns of the table that the rows go to: their types are not looked for, and their maps are maps. */
  readonly known?: readonly TypedColumn[]
  /** What `-` stands for; standard input without it. */
  readonly input?: NodeJS.ReadableStream
}

/** A file that is read; the caller closes it once its rows are written. */
export interface RowFile extends AsyncDisposable {
  /** For errors. */
  readonly name: string
  readonly content: RowFileContent
}

export type RowFileContent =
  /** A local file, which the engine reads itself. */
  | { readonly kind: 'parquet'; readonly path: string }
  | {
      readonly kind: 'texts'
      readonly rows: number
      readonly columns: readonly TextColumn[]
      readonly source: string
    }

/** Column `c<position>` of the source. */
export interface TextColumn {
  readonly name: string
  /** What the texts are: of nested ones, JSON whose scalars are all texts. */
  readonly type: ColumnType
}

type Format = 'parquet' | 'csv' | 'json'

const formats: Readonly<Record<string, Format>> = {
  '.parquet': 'parquet',
  '.csv': 'csv',
  '.ndjson': 'json',
  '.jsonl': 'json',
  '.json': 'json',
}

/**
 * @param from A path, whose ending says what it is read as (`.gz` behind it unpacks), or `-` for standard input, whose
 * first bytes do.
 * @throws LakeError `FILE_MISSING`; `USAGE` for another ending; `SOURCE_FAILED` with line and column for a file that is
 * none of its kind, and for rows that cannot be kept as they are.
 */
export async function openRowFile(
  from: string,
  { known = [], input = process.stdin, signal }: RowFileOptions = {},
): Promise<RowFile> {
  const name = from === '-' ? 'standard input' : from
  const named = from === '-' ? undefined : namedFormat(from)
  if (from !== '-') await requireFile(from)
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-rows-'))
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    const path = await plainFile(from, folder, { input, signal })
    const format = named ?? (await foundFormat(path))
    const content: RowFileContent =
      format === 'parquet'
        ? { kind: 'parquet', path }
        : await (format === 'csv' ? csvTexts : jsonTexts)(path, join(folder, 'texts.csv'), { known, signal })
    return { name, content, [Symbol.asyncDispose]: remove }
  } catch (error) {
    await remove()
    throw error instanceof FileFault ? fileFault(name, error) : error
  }
}

function namedFormat(path: string): Format {
  const plain = path.replace(/\.gz$/i, '')
  const format = formats[extname(plain).toLowerCase()]
  if (format !== undefined) return format
  throw new LakeError(
    'USAGE',
    `${path}: expected a name that ends in .parquet, .csv, .ndjson or .json, with or without .gz`,
  )
}

/** The file itself, or an unpacked copy of it in the folder. */
async function plainFile(
  from: string,
  folder: string,
  { input, signal }: IoOptions & { readonly input: NodeJS.ReadableStream },
): Promise<string> {
  let path = resolve(from)
  if (from === '-') {
    path = join(folder, 'input')
    await spool(input, path, { signal })
  }
  const isPacked =
    from === '-' ? (await firstBytes(path, 2)).equals(Buffer.from([0x1f, 0x8b])) : /\.gz$/i.test(from)
  if (!isPacked) return path
  const unpacked = join(folder, `unpacked-${basename(path)}`)
  await unpack(path, unpacked, { signal })
  return unpacked
}

async function foundFormat(path: string): Promise<Format> {
  const head = (await firstBytes(path, 1024)).toString('utf8').replace(/^\uFEFF/, '')
  if (head.startsWith('PAR1')) return 'parquet'
  return /^\s*[{[]/.test(head) ? 'json' : 'csv'
}

async function csvTexts(
  path: string,
  to: string,
  { known = [], signal }: RowFileOptions,
): Promise<RowFileContent> {
  const columns = (await csvHeader(path, { signal })).map((name) => csvColumn(name, known))
  const forEach = (onRow: (record: CsvRecord) => void): CsvReader => {
    let isHeader = true
    return new CsvReader((record) => {
      if (!isHeader) onRow(record)
      isHeader = false
    })
  }
  const isNested = columns.some(({ shape }) => shape !== undefined)
  // What JSON is written as depends on all of it.
  if (isNested)
    await readText(
      path,
      forEach((record) => observe(record, columns)),
      { signal },
    )
  const texts = await writeTextsFile(to, async (file) => {
    const write = (record: CsvRecord): void => {
      if (isNested) {
        file.addRow(
          record.line,
          columns.map((column, index) => csvText(record, index, column)),
        )
      } else {
        observe(record, columns)
        file.addRecord(record.line, record.text.slice(record.from, record.to), record.hasNewline)
      }
    }
    await readText(path, forEach(write), { signal, afterPiece: () => file.flush() })
  })
  return texted(
    texts,
    columns.map(({ name, shape, types }) => ({ name, type: (shape ?? types).type })),
  )
}

/** No names for a file of nothing. */
async function csvHeader(path: string, { signal }: IoOptions): Promise<readonly string[]> {
  let header: readonly string[] | undefined
  const reader = new CsvReader((record) => {
    header ??= headerNames(record)
  })
  await readText(path, reader, { signal, isDone: () => header !== undefined })
  return header ?? []
}

interface CsvColumn {
  readonly name: string
  readonly types: TextTypes
  readonly isKnown: boolean
  /** Where the table has something nested: its texts are JSON. */
  readonly shape: Shape | undefined
}

function csvColumn(name: string, known: readonly TypedColumn[]): CsvColumn {
  const type = typeNamed(known, name)
  const isNested = type !== undefined && type.kind !== 'scalar' && type.kind !== 'decimal'
  return {
    name,
    types: new TextTypes(),
    isKnown: type !== undefined,
    shape: isNested ? new Shape(type) : undefined,
  }
}

function observe(record: CsvRecord, columns: readonly CsvColumn[]): void {
  for (let index = 0; index < columns.length; index++) {
    const column = columns[index]
    if (column === undefined || (column.isKnown && column.shape === undefined)) continue
    const { name, types, shape } = column
    if (shape === undefined && types.isText) continue
    const value = fieldOf(record, index)
    if (value === null) continue
    if (shape === undefined) types.addText(value)
    else readCell(record, name, value, (json) => shape.add(json))
  }
}

function csvText(record: CsvRecord, index: number, { name, shape }: CsvColumn): string | null {
  const value = fieldOf(record, index)
  if (value === null || shape === undefined) return value
  return readCell(record, name, value, (json) => shape.text(json))
}

/** The JSON of one field. */
function readCell<T>({ line }: CsvRecord, name: string, value: string, read: (json: JsonText) => T): T {
  try {
    const json = new JsonText(value)
    const result = read(json)
    if (json.skipSpace()) throw new FileFault('expected one JSON value')
    return result
  } catch (error) {
    if (!(error instanceof FileFault)) throw error
    throw new FileFault(`column ${name}: ${error.message} in the JSON ${quoted(value)}`, { line })
  }
}

function fieldOf({ text, bounds }: CsvRecord, index: number): string | null {
  return csvValue(text, bounds[2 * index] ?? 0, bounds[2 * index + 1] ?? 0)
}

async function jsonTexts(
  path: string,
  to: string,
  { known = [], signal }: RowFileOptions,
): Promise<RowFileContent> {
  const shape = new Shape({ kind: 'struct', fields: known })
  await readText(path, new JsonReader((json) => shape.add(json)), { signal })
  const { columns } = shape
  const places = new Map(columns.map(({ name }, index) => [name, index]))
  const texts = await writeTextsFile(to, async (file) => {
    const reader = new JsonReader((json, line) => {
      const values: (string | null)[] = new Array<string | null>(columns.length).fill(null)
      json.object((key) => {
        const [index, column] = [places.get(key), shape.field(key)]
        if (index === undefined || column === undefined)
          throw new LakeError('BUG', `${path}: the file has changed`)
        values[index] = column.text(json)
      })
      file.addRow(line, values)
    })
    await readText(path, reader, { signal, afterPiece: () => file.flush() })
  })
  return texted(texts, columns)
}

function texted(texts: TextsFile, columns: readonly TextColumn[]): RowFileContent {
  return { kind: 'texts', rows: texts.rows, columns, source: texts.source(columns.length) }
}

function typeNamed(columns: readonly TypedColumn[], name: string): ColumnType | undefined {
  const exact = columns.find((column) => column.name === name)
  return (exact ?? columns.find((column) => column.name.toLowerCase() === name.toLowerCase()))?.type
}
