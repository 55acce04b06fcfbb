/** Writes the files that are generated from source; writing them again changes nothing. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { metricIndex, metricsFolder } from './generate/metric-index.ts'

const root = join(import.meta.dirname, '..')

async function write(path: string, text: string): Promise<void> {
  const file = join(root, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
  process.stdout.write(`${path}\n`)
}

// All else reads the list of metrics, so that it has to be there first.
await write(`${metricsFolder}/index.ts`, await metricIndex(root))
const { derivedFiles } = await import('./generate/derived-files.ts')
for (const [path, text] of Object.entries(derivedFiles())) await write(path, text)
