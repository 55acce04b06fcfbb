/** Puts sets of row numbers into a table that DuckDB can join with. */
import type { IoOptions } from '../../base/io.ts'
import { createTemporaryTable } from '../../duckdb/append.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import type { RowSet } from '../snapshot/row-set.ts'

/**
 * Makes the temporary table `name (file INTEGER, "row" BIGINT)`: for each set its index and its rows.
 *
 * @param sets Runs go to DuckDB as they are, and become rows only there.
 */
export async function createRowTable(
  session: DuckDbSession,
  name: string,
  sets: readonly (RowSet | undefined)[],
  { signal }: IoOptions = {},
): Promise<void> {
  const [file, first, behind]: [number[], bigint[], bigint[]] = [[], [], []]
  sets.forEach((rows, index) => {
    const bounds = rows?.bounds ?? []
    for (let at = 0; at < bounds.length; at += 2) {
      file.push(index)
      first.push(BigInt(bounds[at] ?? 0))
      behind.push(BigInt(bounds[at + 1] ?? 0))
    }
  })
  await createTemporaryTable(session, `${name}_runs`, [
    { name: 'file', kind: 'integer', values: file },
    { name: 'first', kind: 'bigint', values: first },
    { name: 'behind', kind: 'bigint', values: behind },
  ])
  await session.run(
    `create or replace temporary table ${name} as select file, unnest(range(first, behind)) as "row" from temp.${name}_runs; drop table temp.${name}_runs`,
    { signal },
  )
}
