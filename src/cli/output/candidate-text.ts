/** What a check has refused, and the command that shows it. */
import { countOf } from '../../lib/base/count-of.ts'
import type { CandidateSummary } from '../../pipeline/query/candidate-summary.ts'

export function candidateText({ run, table, rows, refusedAt, vacuumedAt, gates }: CandidateSummary): string {
  const by = gates.map(({ gate, run: own }) => ` by gate ${gate} (run ${own})`).join(' and')
  const refused = `${table}: run ${run} has refused ${countOf(rows, 'row')} at ${refusedAt}${by}`
  return vacuumedAt === null
    ? `${refused}; \`lake table read ${table} --candidate ${run}\` shows them`
    : `${refused}; vacuum has removed them at ${vacuumedAt}`
}
