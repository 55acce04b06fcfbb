import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

process.env['TZ'] = 'UTC'

/** The longest file first, so that one worker is at it while the other goes through all the rest. */
class SparkFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isSpark = ({ moduleId }: TestSpecification): boolean => moduleId.endsWith('/spark.services.test.ts')
    const others = await super.sort(files.filter((file) => !isSpark(file)))
    return [...files.filter(isSpark), ...others]
  }
}

/** Tests against real servers; `scripts/test-services.ts` installs and starts them and says where they are. */
export default defineConfig({
  test: {
    include: ['src/**/*.services.test.ts'],
    // These end a hang, and say nothing of speed: the machine may be busy with other things.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    maxWorkers: 2,
    sequence: { sequencer: SparkFirst },
  },
})
