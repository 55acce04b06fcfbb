/** The code that computes the tables, as each run records it: a run is replayed with the same code, or with a warning. */
import { formatJson } from '../../../lib/base/json.ts'
import { packageVersion } from '../../../lib/base/package-version.ts'
import { codeOf } from '../../model/code-of-days.ts'
import { goldMetrics } from '../../model/gold.ts'
import type { LakeTable } from '../../model/tables.ts'
import { declaredSelect, tablesMade } from '../tasks.ts'

/** `1.2.0+0f3a…`: the version of the package, and a hash of the SELECT and the order of every table that a batch makes. */
export function codeVersion(selectOf: (table: LakeTable) => string = declaredSelect): string {
  const tables = [...tablesMade.values()].flat().map((table) => [table, selectOf(table)])
  const orders = goldMetrics.map(({ name, grain }) => [name, [...grain]])
  return `${packageVersion()}+${codeOf(formatJson([tables, orders]))}`
}
