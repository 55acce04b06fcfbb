import { defineConfig } from 'vitest/config'

process.env['TZ'] = 'UTC'

/** Everything that needs no server. Real servers: `vitest.services.config.ts`. */
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'notebooks/*.test.ts'],
    exclude: ['**/*.services.test.ts', '**/node_modules/**'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
})
