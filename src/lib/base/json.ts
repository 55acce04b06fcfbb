/**
 * JSON that keeps 64-bit integers.
 *
 * `JSON.parse` rounds integers beyond 2^53 in silence. `parseJson` returns those, and only those, as bigint;
 * `formatJson` writes a bigint as a number, so that a value survives the way there and back.
 */
import { isInteger, isSafeNumber, LosslessNumber, parse, stringify } from 'lossless-json'
import { LakeError, messageOf } from './errors.ts'

export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

const mayHoldLongNumber = /\d{16}/

/** @throws LakeError `SOURCE_FAILED` naming `what` when the text is not JSON. */
export function parseJson(text: string, what: string): JsonValue {
  try {
    // Only a text with sixteen digits in a row can hold a number that JSON.parse would round.
    if (!mayHoldLongNumber.test(text)) return JSON.parse(text) as JsonValue
    return parse(text, null, (digits) =>
      isInteger(digits) && !isSafeNumber(digits) ? BigInt(digits) : Number(digits),
    ) as JsonValue
  } catch (error) {
    throw new LakeError('SOURCE_FAILED', `${what}: not JSON: ${messageOf(error)}`, { cause: error })
  }
}

const mayHoldRoundedNumber = /[\d.]{16}/

/**
 * Numbers of more digits than a double has are texts, of just these digits; all others are numbers.
 *
 * @throws LakeError `SOURCE_FAILED` naming `what` when the text is not JSON.
 */
export function parseJsonDigits(text: string, what: string): JsonValue {
  try {
    if (!mayHoldRoundedNumber.test(text)) return JSON.parse(text) as JsonValue
    return parse(text, null, (digits) => (digits.length < 16 ? Number(digits) : digits)) as JsonValue
  } catch (error) {
    throw new LakeError('SOURCE_FAILED', `${what}: not JSON: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * For a document that is written back: `formatJson` writes each number with the digits that it has here, `1.0` too.
 *
 * @throws LakeError `SOURCE_FAILED` naming `what` when the text is not JSON.
 */
export function parseJsonVerbatim(text: string, what: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    throw new LakeError('SOURCE_FAILED', `${what}: not JSON: ${messageOf(error)}`, { cause: error })
  }
}

/** One line, unless `indent` says otherwise. */
export function formatJson(value: unknown, indent?: number): string {
  return stringify(value, null, indent) ?? 'null'
}

/** A number that `formatJson` writes with just these digits: a decimal that a double would round. */
export function exactNumber(digits: string): unknown {
  return new LosslessNumber(digits)
}
