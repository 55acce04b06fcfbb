/** Results of checks as JUnit XML, which build servers read: a suite for each table, a case for each check and day. */
import type { CheckedDay } from '../../pipeline/reconcile/check-tables.ts'
import { namedRows } from './checked-rows.ts'

export function junitOf(checks: readonly CheckedDay[]): string {
  const suites = [...new Set(checks.map(({ table }) => table))].map((table) => {
    const own = checks.filter((each) => each.table === table)
    const failures = own.filter(({ state }) => state === 'failed').length
    return `  <testsuite name="${escaped(table)}" tests="${own.length}" failures="${failures}">\n${own.map(caseOf).join('')}  </testsuite>\n`
  })
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${suites.join('')}</testsuites>\n`
}

function caseOf(result: CheckedDay): string {
  const { table, check, date, state, violations } = result
  const head = `    <testcase classname="${escaped(table)}" name="${escaped(`${check} (${date})`)}"`
  if (state === 'passed') return `${head}/>\n`
  const words = escaped(`rows that break it: ${violations}: ${namedRows(result)}`)
  return state === 'failed'
    ? `${head}><failure message="${words}"/></testcase>\n`
    : `${head}><system-out>${words}</system-out></testcase>\n`
}

/** XML has no place for control characters: they are shown as a question mark. */
function escaped(value: string): string {
  return value
    .replace(/\p{Cc}/gu, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
