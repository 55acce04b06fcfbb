/** Turns an error of the driver into an error of the catalogue. */
import { ClickHouseError } from '@clickhouse/client'
import { type ErrorCode, LakeError, messageOf, systemCode } from '../base/errors.ts'

/** What a server that is about to end says to a statement that it did not begin. */
export const notBegun = 'The server is shutting down, the statement was not begun'

/** ClickHouse refused the user or the password: the statement did not run. */
const refusals: ReadonlySet<string> = new Set(['192', '193', '194', '291', '516'])

/** No connection was made, so nothing was sent. */
const unsent: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
])

/** The server ended the statement because it shuts down. It counts as a broken connection. */
const shuttingDown: ReadonlySet<string> = new Set(['210'])

/** The server takes no statement now (too many of them, read-only): the statement did not run. */
const notNow: ReadonlySet<string> = new Set(['202', '242'])

/** No room for another part. */
const noSpace: ReadonlySet<string> = new Set(['243'])

/**
 * @param operation what was tried, for the message: `query`, `insert into t`.
 * @param url where, without credentials.
 */
export function failureOf(thrown: unknown, operation: string, url: string): LakeError {
  if (thrown instanceof LakeError) return thrown
  const message = messageOf(thrown)
  const isUntouched = message.includes(notBegun)
  if (thrown instanceof ClickHouseError && !isUntouched && !shuttingDown.has(thrown.code)) {
    const details = { clickhouseCode: Number(thrown.code), clickhouseType: thrown.type ?? '', url }
    const code = codeOf(thrown)
    const told = `${operation}: ${details.clickhouseType} (${thrown.code}): ${message.trim()}`
    return new LakeError(code, told, {
      details: code === 'CLICKHOUSE_UNAVAILABLE' ? { ...details, ambiguous: false } : details,
      cause: thrown,
    })
  }
  const ambiguous = !isUntouched && !unsent.has(firstSystemCode(thrown))
  return new LakeError('CLICKHOUSE_UNAVAILABLE', `${operation}: no answer from ${url}: ${message}`, {
    details: { url, ambiguous },
    cause: thrown,
  })
}

function codeOf({ code: clickhouseCode, message }: ClickHouseError): ErrorCode {
  if (refusals.has(clickhouseCode)) return 'CLICKHOUSE_REFUSED'
  if (noSpace.has(clickhouseCode) || /no space left on device/i.test(message)) return 'DISK_FULL'
  return notNow.has(clickhouseCode) ? 'CLICKHOUSE_UNAVAILABLE' : 'CLICKHOUSE_FAILED'
}

/** Node wraps the failures of several addresses into one error without a code of its own. */
function firstSystemCode(thrown: unknown): string {
  const own = systemCode(thrown)
  if (own !== undefined) return own
  return thrown instanceof AggregateError ? (systemCode(thrown.errors[0]) ?? '') : ''
}
