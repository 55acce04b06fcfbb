import { defineConfig } from 'vitest/config'

process.env['TZ'] = 'UTC'

/** Tests against real servers; `scripts/test-services.ts` installs and starts them and says where they are. */
export default defineConfig({
  test: {
    include: ['src/**/*.services.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
})
