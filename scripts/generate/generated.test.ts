import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { derivedFiles } from './derived-files.ts'
import { metricIndex, metricsFolder } from './metric-index.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8')

describe('npm run generate', () => {
  it('has nothing to change in the list of metrics', async () => {
    expect(await read(`${metricsFolder}/index.ts`)).toBe(await metricIndex(root))
  })

  it.each(Object.entries(derivedFiles()))('has nothing to change in %s', async (path, text) => {
    expect(await read(path)).toBe(text)
  })
})
