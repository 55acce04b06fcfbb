/** Takes one part of the checks away at a time, and runs the tests that are to notice. It needs no server, but minutes. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type Mutation, mutations } from './mutations.fixture.ts'

const root = join(import.meta.dirname, '../../..')

const report = z.object({ numFailedTests: z.number(), numPassedTests: z.number() })

/** @returns how many tests have failed. */
function failedTests({ tests, ...mutation }: Mutation): Promise<number> {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const argv = [vitest, 'run', '-c', 'vitest.mutations.config.ts', '--reporter=json', ...tests]
  const env = { ...process.env, MUTATION: JSON.stringify(mutation) }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, argv, { cwd: root, env, maxBuffer: 1 << 26 }, (_, stdout, stderr) => {
      // A file that does not load is no failed test.
      const found = report.safeParse(JSON.parse(stdout.slice(stdout.indexOf('{')) || 'null'))
      if (found.success) resolve(found.data.numFailedTests)
      else reject(new Error(`${mutation.name}: the tests did not run: ${stderr}`))
    })
  })
}

describe('a test fails without', () => {
  it.concurrent.each(
    mutations.map((mutation) => [mutation.name, mutation] as const),
  )('%s', async (_, mutation) => {
    expect(await failedTests(mutation)).toBeGreaterThan(0)
  })
})
