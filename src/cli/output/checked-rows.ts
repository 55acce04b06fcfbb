/** The rows that break a check, on one line. */
import { rowStates } from '../../lib/quality/violations.ts'
import type { CheckedDay, CheckedRow } from '../../pipeline/reconcile/check-tables.ts'

/** `silver/events 2026-11-20, the event is valid: new 0/1, 0/7; fixed 1/3`. */
export function rowsText(result: CheckedDay): string {
  const of = result.date === null ? result.table : `${result.table} ${result.date}`
  return `${of}, ${result.check}: ${namedRows(result)}`
}

/** `new 0/1, 0/7, …; fixed 1/3`. */
export function namedRows({ rows, counts }: Pick<CheckedDay, 'rows' | 'counts'>): string {
  return rowStates
    .flatMap((state) => {
      if (counts[state] === 0) return []
      const named = rows.filter(({ since }) => since === state).map(nameOf)
      const more = counts[state] > named.length ? ['…'] : []
      return [`${state} ${[...named, ...more].join(', ')}`]
    })
    .join('; ')
}

function nameOf(row: CheckedRow): string {
  return 'key' in row ? Object.values(row.key).map(String).join('/') : `${row.partition}/${row.offset}`
}
