import { defineConfig } from 'vitest/config'
import { longestFirst } from './scripts/longest-first.ts'

process.env['TZ'] = 'UTC'

/** Tests against real servers; `scripts/test-services.ts` installs and starts them and says where they are. */
export default defineConfig({
  test: {
    include: ['src/**/*.services.test.ts'],
    // These end a hang, and say nothing of speed: the machine may be busy with other things.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    maxWorkers: 2,
    // Of tests of one file that say that they may run side by side.
    maxConcurrency: 2,
    sequence: { sequencer: longestFirst(['src/lib/delta/testing/interop/spark.services.test.ts']) },
  },
})
