/** Streams rows of DuckDB to stdout, or writes them to a file. */

import { replaceFile } from '../../lib/base/files/replace-file.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { text } from '../../lib/duckdb/sql-text.ts'
import type { FileFormat } from '../table/row-file.ts'
import { writePieces } from '../table/row-file.ts'
import { formatRows } from './rows.ts'
import type { CountedChunk } from './show-rows.ts'

export async function* rowChunks(
  session: DuckDbSession,
  select: string,
  options: IoOptions & { readonly limit?: number | undefined } = {},
): AsyncIterable<CountedChunk> {
  const { limit = Number.POSITIVE_INFINITY, signal } = options
  for await (const { columns, rows, more } of session.tuples(select, { limit, signal })) {
    yield { columns: columns.map(({ name }) => name), rows, more }
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
