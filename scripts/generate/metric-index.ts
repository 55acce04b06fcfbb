/** The list of all metrics, made from the files of their folder: to add a file is to add a metric. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { GoldMetric } from '../../src/pipeline/model/metric.ts'

export const metricsFolder = 'src/pipeline/model/metrics'

interface DeclaredMetric {
  readonly file: string
  readonly exported: string
  readonly metric: GoldMetric
}

/** @throws Error naming a file that does not export the metric of its name. */
export async function metricIndex(root: string): Promise<string> {
  const folder = join(root, metricsFolder)
  const files = (await readdir(folder)).filter((file) => /(?<!\.test)\.ts$/.test(file) && file !== 'index.ts')
  const declared = await Promise.all(files.sort().map((file) => declaredIn(folder, file)))
  const inOrder = declared.sort((a, b) => a.metric.position - b.metric.position)
  return `// Made by \`npm run generate\` from the files of this folder, in the order of their positions.
${inOrder
  .map(({ file, exported }) => `import { ${exported} } from './${file}'`)
  .sort()
  .join('\n')}

export const goldMetrics = [
${inOrder.map(({ exported }) => `  ${exported},`).join('\n')}
] as const
`
}

async function declaredIn(folder: string, file: string): Promise<DeclaredMetric> {
  const name = file.replace(/\.ts$/, '')
  const exported = name.replace(/-(?<letter>\w)/g, (_, letter: string) => letter.toUpperCase())
  const module = (await import(pathToFileURL(join(folder, file)).href)) as Readonly<
    Record<string, GoldMetric | undefined>
  >
  const metric = module[exported]
  const expected = name.replaceAll('-', '_')
  if (metric?.name === expected) return { file, exported, metric }
  throw new Error(
    `${metricsFolder}/${file}: expected \`export const ${exported} = goldMetric({ name: '${expected}', … })\``,
  )
}
