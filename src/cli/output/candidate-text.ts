/** What a check has refused, and the command that shows it. */
import { countOf } from '../../lib/base/count-of.ts'
import type { CandidateSummary } from '../../pipeline/query/candidate-summary.ts'

export function candidateText({ run, table, rows, refusedAt, vacuumedAt }: CandidateSummary): string {
  const refused = `${table}: run ${run} has refused ${countOf(rows, 'row')} at ${refusedAt}`
  return vacuumedAt === null
    ? `${refused}; \`lake table read ${table} --candidate ${run}\` shows them`
    : `${refused}; vacuum has removed them at ${vacuumedAt}`
}
