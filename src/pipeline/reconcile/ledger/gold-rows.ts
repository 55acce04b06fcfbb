/** `silver ⇒ gold`, day by day: a metric is computed again from silver, and compared with gold row by row. */

import type { IoOptions } from '../../../lib/base/io.ts'
import type { Snapshot } from '../../../lib/delta/index.ts'
import type { DuckDbSession } from '../../../lib/duckdb/duckdb.ts'
import { identifier } from '../../../lib/duckdb/sql-text.ts'
import { filesOfDays } from '../../model/days.ts'
import { type GoldTable, goldColumnsOf, metricOf } from '../../model/gold.ts'
import type { BooksContext, Identity } from '../books.ts'
import { identityNames } from '../identity-names.ts'
import { createRowsView } from '../rows-of.ts'
import { sameRows } from './same-rows.ts'

export interface GoldRowsRequest {
  readonly metric: GoldTable
  readonly gold: Snapshot
  /** The version that gold was made from. */
  readonly silver: Snapshot
  readonly days: readonly string[]
}

/** One identity for each of the days. */
export async function goldRows(
  context: BooksContext,
  session: DuckDbSession,
  { metric, gold, silver, days }: GoldRowsRequest,
  { signal }: IoOptions = {},
): Promise<readonly Identity[]> {
  if (days.length === 0) return []
  const table = `gold/${metric}` as const
  const files = filesOfDays(silver, days)
  await createRowsView(context, session, 'silver_events', 'silver/events', silver, { files, signal })
  await createRowsView(context, session, 'audited_gold', table, gold, { signal })
  const columns = goldColumnsOf(metric)
  const names = columns.map(identifier).join(', ')
  const { grain, sql } = metricOf(metric)
  return sameRows(
    session,
    {
      name: identityNames.gold,
      table,
      days,
      grain,
      columns,
      left: { label: 'from silver', select: `select ${names} from (${sql})` },
      right: { label: 'in gold', select: `select ${names} from audited_gold` },
    },
    { signal },
  )
}
