import { defineConfig } from 'vitest/config'
import { longestFirst } from './scripts/longest-first.ts'

process.env['TZ'] = 'UTC'

/** What takes ten seconds and more of a quiet machine. */
const longest = [
  'src/pipeline/realtime/realtime.test.ts',
  'src/pipeline/reconcile/ledger/ledger.test.ts',
  'src/pipeline/batch/batch.test.ts',
  'src/cli/process.test.ts',
  'src/lib/clickhouse-server/launch.test.ts',
  'src/acceptance/end-to-end.test.ts',
  'src/pipeline/reconcile/reconcile.test.ts',
  'src/pipeline/serving/publish.test.ts',
  'src/pipeline/landing/landing.test.ts',
  'src/cli/table/table-write.test.ts',
]

/** Everything that needs no server, and little time. Real servers: `vitest.services.config.ts`; time: `vitest.long.config.ts`. */
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'examples/*.test.ts', 'notebooks/*.test.ts'],
    exclude: ['src/**/*.{long,services}.test.ts', '**/node_modules/**'],
    // These end a hang, and say nothing of speed: the machine may be busy with other things.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    // Two more than the cores that it must be quick on: many tests wait for a process of theirs.
    maxWorkers: 4,
    // With a small young generation, short-lived objects outlive it, and a tenth of the time goes into their collection.
    execArgv: ['--min-semi-space-size=64', '--max-semi-space-size=128'],
    globalSetup: 'scripts/temporary-files-in-memory.ts',
    sequence: { sequencer: longestFirst(longest) },
    // A process for each file took a third of the time; what a file leaves open, it has to close itself.
    isolate: false,
  },
})
