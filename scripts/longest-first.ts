/**
 * The order of test files: the longest ones first, so that no worker is still at one when the others have nothing
 * left. On a clone vitest knows no durations, and would go by the size of the files.
 */
import { existsSync } from 'node:fs'
import { BaseSequencer, type TestSequencerConstructor, type TestSpecification } from 'vitest/node'

/** @param longest Paths from the root of the checkout. @throws Error where one is not there. */
export function longestFirst(longest: readonly string[]): TestSequencerConstructor {
  const missing = longest.filter((path) => !existsSync(path))
  if (missing.length > 0)
    throw new Error(`scripts/longest-first.ts is told of no file: ${missing.join(', ')}`)
  const isLong = ({ moduleId }: TestSpecification): boolean =>
    longest.some((path) => moduleId.endsWith(`/${path}`))
  return class LongestFirst extends BaseSequencer {
    override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
      const long = longest.flatMap((path) => files.filter(({ moduleId }) => moduleId.endsWith(`/${path}`)))
      return [...long, ...(await super.sort(files.filter((file) => !isLong(file))))]
    }
  }
}
