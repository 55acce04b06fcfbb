/** Whether two relations hold the same rows of each UTC day, and which rows differ. */

import type { IoOptions } from '../../../lib/base/io.ts'
import type { DuckDbSession } from '../../../lib/duckdb/duckdb.ts'
import { identifier } from '../../../lib/duckdb/sql-text.ts'
import type { Row } from '../../../lib/duckdb/values.ts'
import { dateList } from '../../model/days.ts'
import { bigintOf, type Identity, placesNamed } from '../books.ts'

export interface Side {
  /** How the rows of this side are called: `in gold`. */
  readonly label: string
  /** A SELECT of the columns. */
  readonly select: string
}

export interface Comparison {
  readonly name: string
  readonly table: string
  readonly days: readonly string[]
  /** Columns that name a row; `event_date` among them. */
  readonly grain: readonly string[]
  readonly columns: readonly string[]
  readonly left: Side
  readonly right: Side
}

/** One identity for each of the days; values are compared exactly, null being equal to null. */
export async function sameRows(
  session: DuckDbSession,
  { name, table, days, grain, columns, left, right }: Comparison,
  { signal }: IoOptions = {},
): Promise<readonly Identity[]> {
  if (days.length === 0) return []
  const where = `event_date in (${dateList(days)})`
  for (const [view, { select }] of [
    ['left_rows', left],
    ['right_rows', right],
  ] as const) {
    await session.run(
      `create or replace temporary table ${view} as select * from (${select}) where ${where}`,
      { signal },
    )
  }
  const counts = await session.rows(
    `select event_date, count(*) filter (side = 'left') as n_left, count(*) filter (side = 'right') as n_right from (
       select event_date, 'left' as side from left_rows union all select event_date, 'right' from right_rows)
     group by event_date`,
    { signal },
  )
  const differing = await session.rows(differences(grain, columns), { signal })
  return days.map((date) => {
    const count = counts.find((row) => row['event_date'] === date)
    const rows = differing.filter((row) => row['event_date'] === date)
    const identity = {
      name,
      table,
      date,
      left: bigintOf(count?.['n_left']) ?? 0n,
      right: bigintOf(count?.['n_right']) ?? 0n,
    }
    return rows.length === 0 ? identity : { ...identity, ...faultOf(rows, { left, right }) }
  })
}

/** Rows without a counterpart on the other side, in the order of their grain; those of a side are counted by day. */
function differences(grain: readonly string[], columns: readonly string[]): string {
  const names = columns.map(identifier).join(', ')
  const only = (side: string, from: string, other: string): string =>
    `select '${side}' as side, * from (select ${names} from ${from} except all select ${names} from ${other})`
  return `
select *, count(*) over (partition by event_date, side) as n
from (${only('left', 'left_rows', 'right_rows')} union all ${only('right', 'right_rows', 'left_rows')})
qualify row_number() over (partition by event_date order by ${grain.map(identifier).join(', ')}, side) <= ${placesNamed}
order by ${grain.map(identifier).join(', ')}, side`
}

function faultOf(
  rows: readonly Row[],
  { left, right }: Pick<Comparison, 'left' | 'right'>,
): Pick<Identity, 'problem' | 'rows'> {
  const only = (side: string, { label }: Side): readonly string[] => {
    const n = rows.find((row) => row['side'] === side)?.['n']
    return n === undefined ? [] : [`${String(n)} × only ${label}`]
  }
  return {
    problem: [...only('left', left), ...only('right', right)].join('; '),
    rows: rows.map(({ side, n: _, ...row }) => ({
      found: side === 'left' ? left.label : right.label,
      ...row,
    })),
  }
}
