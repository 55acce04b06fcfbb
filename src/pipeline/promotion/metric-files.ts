/** The files of a promoted metric: its declaration, and a test over events that were there. */
import type { MetricDefinition } from './definition.ts'

export const metricsFolder = 'src/pipeline/model/metrics'

/** Path in the project → content. */
export type ProjectFiles = Readonly<Record<string, string>>

/** An event of the test's fixture. Users have numbers of the test's own, so that no person is in the repository. */
export type FixtureEvent = readonly [
  timestamp: string,
  user: number,
  type: string,
  page: string,
  source: string,
]

export interface PromotedMetric {
  readonly definition: MetricDefinition
  /** The definition as it stands in the notebook, from `{` to `}`. */
  readonly text: string
  readonly task: string
  readonly position: number
  readonly events: readonly FixtureEvent[]
  /** What the SQL makes of the events. */
  readonly rows: readonly object[]
}

/** Its file, such as `src/pipeline/model/metrics/daily-active-users.ts`. */
export const metricFile = (name: string): string => `${metricsFolder}/${name.replaceAll('_', '-')}.ts`
export const metricTestFile = (name: string): string => metricFile(name).replace(/\.ts$/, '.test.ts')

const exportedName = (name: string): string =>
  name.replaceAll(/_(?<letter>\w)/g, (_, letter: string) => letter.toUpperCase())

export const taskOf = (name: string): string => `silver_to_gold_${name}`

export function metricFiles({
  definition,
  text,
  task,
  position,
  events,
  rows,
}: PromotedMetric): ProjectFiles {
  const { name } = definition
  const exported = exportedName(name)
  const declaration = `import { goldMetric } from '../metric.ts'

export const ${exported} = goldMetric({
  task: '${task}',
  position: ${position},
${text.replace(/^\{\s*\n?/, '').replace(/\s*\}$/, '\n})')}
`
  const test = `import { describeMetric } from '../metric.contract.ts'
import { ${exported} } from './${name.replaceAll('_', '-')}.ts'

describeMetric(${exported}, {
  events: [
${linesOf(events)}
  ],
  rows: [
${linesOf(rows)}
  ],
})
`
  return { [metricFile(name)]: declaration, [metricTestFile(name)]: test }
}

const linesOf = (values: readonly unknown[]): string =>
  values.map((value) => `    ${JSON.stringify(value)},`).join('\n')
