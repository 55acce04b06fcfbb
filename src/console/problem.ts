/** Failures as the API shows them. The program that the console is part of adds what to do about each of them. */
import { isLakeError, messageOf } from '../lib/base/errors.ts'
import type { Problem } from './answers.ts'

/** What to do about a failure: of any error, or of one that was recorded with its code. Total. */
export type HintOf = (error: unknown, more?: Readonly<Record<string, unknown>>) => string

/** Any failure as the API shows it. */
export function problemOf(error: unknown, hintOf: HintOf): Problem {
  return { code: isLakeError(error) ? error.code : 'BUG', message: messageOf(error), hint: hintOf(error) }
}
