import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

process.env['TZ'] = 'UTC'

/** One change to one file, for this run alone: see src/acceptance/mutations/mutations.fixture.ts. */
const { file, find, replace } = JSON.parse(process.env['MUTATION'] ?? '{}') as Readonly<
  Record<string, string>
>
if (file === undefined || find === undefined || replace === undefined) throw new Error('MUTATION is not set')
const path = join(import.meta.dirname, file)
if (readFileSync(path, 'utf8').split(find).length !== 2) {
  throw new Error(`${file}: expected once, and no more: ${find}`)
}

export default defineConfig({
  plugins: [
    {
      name: 'mutation',
      enforce: 'pre',
      transform: (code, id) => (id === path ? code.replace(find, () => replace) : undefined),
    },
  ],
  test: {
    include: ['src/**/*.test.ts'],
    exclude: ['src/**/*.services.test.ts', '**/node_modules/**'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    maxWorkers: 1,
    isolate: false,
    bail: 1,
  },
})
