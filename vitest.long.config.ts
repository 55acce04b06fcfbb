import { defineConfig } from 'vitest/config'
import { longestFirst } from './scripts/longest-first.ts'

process.env['TZ'] = 'UTC'

/** The promises of `npm test` once more, over many cases or seeds. Needs no server, and takes minutes. */
export default defineConfig({
  test: {
    include: ['src/**/*.long.test.ts'],
    // These end a hang, and say nothing of speed: the machine may be busy with other things.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    maxWorkers: 2,
    // Of tests of one file that say that they may run side by side.
    maxConcurrency: 2,
    globalSetup: 'scripts/temporary-files-in-memory.ts',
    sequence: { sequencer: longestFirst(['src/acceptance/mutations/mutations.long.test.ts']) },
  },
})
