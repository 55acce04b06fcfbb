/** Rows of DuckDB: to stdout as they come, or to a file. */
import type { IoOptions } from '../../lib/base/io.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { text } from '../../lib/duckdb/sql-text.ts'
import type { FileFormat } from '../table/row-file.ts'
import { replaceFile, writePieces } from '../table/row-file.ts'
import { formatRows, type RowChunk } from './rows.ts'

export async function* rowChunks(
  session: DuckDbSession,
  select: string,
  { signal, onRows }: IoOptions & { readonly onRows?: (rows: number) => void } = {},
): AsyncIterable<RowChunk> {
  let count = 0
  for await (const { columns, rows } of session.chunks(select, { signal })) {
    const names = columns.map(({ name }) => name)
    count += rows.length
    onRows?.(count)
    yield { columns: names, rows: rows.map((row) => names.map((name) => row[name])) }
  }
}

export async function writeRows(
  session: DuckDbSession,
  select: string,
  path: string,
  format: FileFormat,
  { signal }: IoOptions,
): Promise<void> {
  await replaceFile(path, async (draft) => {
    if (format === 'parquet') {
      await session.run(`copy (\n${select}\n) to ${text(draft)} (format parquet, compression zstd)`, {
        signal,
      })
    } else {
      await writePieces(draft, formatRows(rowChunks(session, select, { signal }), format))
    }
  })
}
