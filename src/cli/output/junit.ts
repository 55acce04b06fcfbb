/** Results of checks as JUnit XML, which build servers read: a suite for each table, a case for each check and day. */
import type { CheckedDay } from '../../pipeline/reconcile/check-tables.ts'
import { namedRows } from './checked-rows.ts'

export function junitOf(checks: readonly CheckedDay[]): string {
  const suites = [...new Set(checks.map(({ table }) => table))].map((table) => {
    const own = checks.filter((each) => each.table === table)
    const count = (state: CheckedDay['state']): number => own.filter((each) => each.state === state).length
    return `  <testsuite name="${escaped(table)}" tests="${own.length}" failures="${count('failed')}" skipped="${count('unknown')}">\n${own.map(caseOf).join('')}  </testsuite>\n`
  })
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${suites.join('')}</testsuites>\n`
}

function caseOf(result: CheckedDay): string {
  const { table, check, date, state } = result
  const name = date === null ? check : `${check} (${date})`
  const content = contentOf(result, state)
  const head = `    <testcase classname="${escaped(table)}" name="${escaped(name)}"`
  return content === '' ? `${head}/>\n` : `${head}>${content}</testcase>\n`
}

function contentOf(result: CheckedDay, state: CheckedDay['state']): string {
  const words = escaped(result.problem ?? `rows that break it: ${result.violations}: ${namedRows(result)}`)
  switch (state) {
    case 'passed':
      return ''
    case 'warned':
      return `<system-out>${words}</system-out>`
    case 'failed':
      return `<failure message="${words}"/>`
    case 'unknown':
      return `<skipped message="${words}"/>`
  }
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
