/**
 * How much memory reading a Parquet file takes at most, known before it is read.
 *
 * A few kilobytes can stand for gigabytes: a dictionary's one long text, used by each row. The engine copies such a text
 * for each row of a chunk, where values are missing or a page ends, and does not count these copies to its memory limit.
 */
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { IoOptions } from '../base/io.ts'
import type { DuckDbSession } from './duckdb.ts'
import { codecs, fileOfTexts, type Page, PageReader } from './parquet-pages.ts'
import { list, text } from './sql-text.ts'

/** The engine reads so many rows at a time. */
const rowsOfChunk = 2_048
/** `PAR1`, before which no page begins. */
const magicBytes = 4
/** What a value of a list or map takes beside its content. */
const bytesOfValue = 16
/** Of what is enough, what may be overestimated. */
const roughShare = 1 / 8

interface Chunk {
  readonly dictionary: Page
  readonly codec: number
  /** So many values are copied at a time, at most. */
  readonly copies: number
  /** Of its longest value, where the schema says it. */
  readonly longest: number | undefined
}

/** A column of the file, as its schema has it. */
interface Leaf {
  /** It lies below a list or map: any number of its values may be in one row. */
  readonly isRepeated: boolean
  readonly type: 'texts' | 'texts of one length' | 'other'
  readonly length: number
}

/**
 * An upper bound: all pages unpacked, and the copies of texts.
 *
 * @param enough The caller does not ask for more precision than "at most so much".
 * @throws LakeError `SOURCE_FAILED` for a file whose pages cannot be found.
 */
export async function mostBytesRead(
  session: DuckDbSession,
  path: string,
  { enough, signal }: IoOptions & { readonly enough: number },
): Promise<number> {
  const { unpackedBytes, chunks } = await unpackedSize(session, path, { signal })
  const rough = ({ copies, dictionary, longest }: Chunk): number =>
    copies * (longest ?? dictionary.unpackedBytes)
  const most = chunks.reduce((sum, chunk) => sum + rough(chunk), unpackedBytes)
  if (unpackedBytes > enough || most <= enough) return most
  // Few dictionaries make up most of it: the longest text is looked up in these alone.
  const large = chunks.filter(
    (chunk) => chunk.longest === undefined && rough(chunk) > (enough * roughShare) / chunks.length,
  )
  const longest = await longestTexts(session, path, large, { signal })
  return large.reduce((sum, chunk, index) => sum - rough(chunk) + chunk.copies * (longest[index] ?? 0), most)
}

async function unpackedSize(
  session: DuckDbSession,
  path: string,
  { signal }: IoOptions,
): Promise<{ readonly unpackedBytes: number; readonly chunks: readonly Chunk[] }> {
  const leaves = await leavesOf(session, path, { signal })
  const found = await session.rows(
    `select column_id::integer as id, num_values::double as n, row_group_num_rows::double as rows, type,
      compression as codec, data_page_offset::double as pages, dictionary_page_offset::double as dictionary
      from parquet_metadata(${text(path)})`,
    { signal },
  )
  let unpackedBytes = 0
  const chunks: Chunk[] = []
  const file = await open(path, 'r')
  try {
    const reader = new PageReader(file, (await file.stat()).size)
    for (const { id, n, rows, type: named, codec, pages: first, dictionary: before } of found) {
      const { isRepeated, type, length } = leaves[Number(id)] ?? noLeaf
      const wanted = Math.max(Number(n), isRepeated ? 0 : Number(rows))
      const pages = await reader.chunk(firstPage(before, first), wanted, { signal })
      unpackedBytes += pages.unpackedBytes + (isRepeated ? pages.values * bytesOfValue : 0)
      const hasTexts = type !== 'other' || typesOfTexts[String(named)] !== undefined
      if (!hasTexts || pages.dictionary === undefined) continue
      chunks.push({
        dictionary: pages.dictionary,
        codec: codecs[String(codec)] ?? 0,
        copies: isRepeated ? pages.values : Math.min(pages.values, rowsOfChunk),
        longest: type === 'texts of one length' ? length : undefined,
      })
    }
  } finally {
    await file.close()
  }
  return { unpackedBytes, chunks }
}

/** Where the engine begins to read: at the dictionary if the footer names a place for it, before the values or not. */
function firstPage(dictionary: unknown, values: unknown): number {
  return typeof dictionary === 'number' && dictionary >= magicBytes ? dictionary : Number(values)
}

const noLeaf: Leaf = { isRepeated: true, type: 'texts', length: 0 }
const typesOfTexts: Readonly<Record<string, Leaf['type']>> = {
  BYTE_ARRAY: 'texts',
  FIXED_LEN_BYTE_ARRAY: 'texts of one length',
}

/** The columns of the file by their number there. */
async function leavesOf(
  session: DuckDbSession,
  path: string,
  { signal }: IoOptions,
): Promise<readonly Leaf[]> {
  const elements = await session.rows(
    `select num_children::integer as children, repetition_type as repetition, type, type_length::double as length
      from parquet_schema(${text(path)})`,
    { signal },
  )
  const leaves: Leaf[] = []
  const above: { left: number; readonly isRepeated: boolean }[] = []
  for (const { children, repetition, type, length } of elements) {
    while (above.at(-1)?.left === 0) above.pop()
    const parent = above.at(-1)
    if (parent !== undefined) parent.left--
    const isRepeated = parent?.isRepeated === true || repetition === 'REPEATED'
    if (typeof children === 'number' && children > 0) above.push({ left: children, isRepeated })
    else {
      // Less than nothing in one column would make up for much in another.
      const least = Math.max(0, Number(length))
      leaves.push({ isRepeated, type: typesOfTexts[String(type)] ?? 'other', length: least })
    }
  }
  return leaves
}

/** Of each dictionary, in bytes. */
async function longestTexts(
  session: DuckDbSession,
  path: string,
  chunks: readonly Chunk[],
  { signal }: IoOptions,
): Promise<readonly number[]> {
  if (chunks.length === 0) return []
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-texts-'))
  const file = await open(path, 'r')
  try {
    const files: string[] = []
    for (const [index, { dictionary: page, codec }] of chunks.entries()) {
      // A header may say anything, the file has only so many bytes.
      const { size } = await file.stat()
      const stored = Buffer.alloc(Math.max(0, Math.min(page.storedBytes, size - page.from)))
      await file.read(stored, 0, stored.length, page.from)
      files.push(join(folder, `${index}.parquet`))
      await writeFile(files.at(-1) ?? '', fileOfTexts({ page, codec, stored }))
    }
    const lengths = new Map<unknown, number>()
    const rows = await session.rows(
      `select filename, max(octet_length("value"))::double as longest from read_parquet(${list(files.map(text))}, filename = true) group by filename`,
      { signal },
    )
    for (const { filename, longest } of rows) lengths.set(filename, Number(longest))
    return files.map((name) => lengths.get(name) ?? 0)
  } finally {
    await file.close()
    await rm(folder, { recursive: true, force: true })
  }
}
