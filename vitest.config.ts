import { defineConfig } from 'vitest/config'

process.env['TZ'] = 'UTC'

/** Everything that needs no server. Real servers: `vitest.services.config.ts`. */
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'examples/*.test.ts', 'notebooks/*.test.ts'],
    exclude: ['**/*.services.test.ts', '**/node_modules/**'],
    // These end a hang, and say nothing of speed: the machine may be busy with other things.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    // One more than the cores that it must be quick on: many tests wait for a process of theirs.
    maxWorkers: 3,
    // A process for each file took a third of the time; what a file leaves open, it has to close itself.
    isolate: false,
  },
})
