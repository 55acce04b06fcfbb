/** The rows of an answer as a cell gets them: plain objects, and no more than a kernel bears. */
import { LakeError } from '../lib/base/errors.ts'
import { plainNumber } from '../lib/notebook/cell-value.ts'
import { namedRows } from '../lib/notebook/named-rows.ts'

export interface Answer {
  readonly columns: readonly string[]
  /** Values by the position of their column. */
  readonly rows: readonly (readonly unknown[])[]
}

interface Chunk {
  readonly columns: readonly (string | { readonly name: string })[]
  readonly rows: Answer['rows']
}

/** As objects of JavaScript these take about 1 GB, half of what a kernel has. */
const mostValues = 5_000_000

/** @throws LakeError `USAGE` where there are more values than a kernel bears. */
export async function answerOf(chunks: AsyncIterable<Chunk>): Promise<Answer> {
  let columns: readonly string[] = []
  const rows: (readonly unknown[])[] = []
  for await (const chunk of chunks) {
    columns = chunk.columns.map((column) => (typeof column === 'string' ? column : column.name))
    for (const row of chunk.rows) rows.push(row)
    if (rows.length * columns.length <= mostValues) continue
    throw new LakeError(
      'USAGE',
      `The answer has more than ${rows.length.toLocaleString('en')} rows of ${columns.length} columns, too many for a kernel`,
      { details: { fault: 'too-many-rows' } },
    )
  }
  return { columns, rows }
}

/** Columns and types are those that the caller names; `rows.ts` is held to those of the tables. */
export function plainRows<Row>(columns: Answer['columns'], rows: Answer['rows']): Row[] {
  return namedRows(
    columns,
    rows.map((values) => values.map(plainNumber)),
  ) as readonly object[] as Row[]
}
