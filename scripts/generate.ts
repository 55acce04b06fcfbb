/** Writes the files that are generated from source; writing them again changes nothing. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { grafanaDashboard } from '../src/console/grafana.ts'
import { overviewTitle } from '../src/console/overview.ts'
import { panels } from '../src/console/panels.ts'

const root = join(import.meta.dirname, '..')

const generated: Readonly<Record<string, string>> = {
  'dashboards/lakehouse-platform-overview.json': grafanaDashboard(overviewTitle, panels),
}

for (const [path, text] of Object.entries(generated)) {
  const file = join(root, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
  process.stdout.write(`${path}\n`)
}
