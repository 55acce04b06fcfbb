/** Turns an error of gRPC, or of the engine behind it, into an error of the catalogue. */
import { type ErrorCode, LakeError, messageOf } from '../base/errors.ts'

/** https://grpc.io/docs/guides/status-codes/ */
export const grpcStatus = {
  cancelled: 1,
  unknown: 2,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const

export function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'number' ? error.code : undefined
}

/** What the engine says, without what gRPC and its client add. */
export function textOf(error: unknown): string {
  if (
    typeof error === 'object' &&
    error !== null &&
    'details' in error &&
    typeof error.details === 'string'
  ) {
    return error.details.replace(/\s*Resolution note:\s*$/, '')
  }
  return messageOf(error)
}

/** The connection broke, and the operation may go on: a client that attaches to it again gets the rest of its answers. */
export function isDisconnected(error: unknown): boolean {
  const status = statusOf(error)
  if (status === grpcStatus.unavailable) return true
  return status === grpcStatus.internal && /RST_STREAM|INVALID_CURSOR\.DISCONNECTED/.test(textOf(error))
}

/** The server does not know the operation: it was started again, or has forgotten it. */
export function isForgotten(error: unknown): boolean {
  return (
    statusOf(error) === grpcStatus.notFound ||
    /INVALID_HANDLE\.(?:OPERATION|SESSION)|operation .*not found|invalid (?:operation|session)/i.test(
      textOf(error),
    )
  )
}

/** By the first that the engine's text matches. Spark says a class in brackets, Sail the kind of its error. */
const kinds: readonly (readonly [RegExp, ErrorCode])[] = [
  [/no space left on device|disk quota exceeded/i, 'DISK_FULL'],
  [
    /OutOfMemoryError|ResourcesExhausted|resources exhausted|Java heap space|memory limit|failed to allocate/i,
    'ENGINE_OUT_OF_MEMORY',
  ],
  [
    /Lost task|ExecutorLostFailure|FetchFailed|worker .*(?:lost|stopped)|SparkContext was (?:shut down|stopped)/i,
    'ENGINE_UNAVAILABLE',
  ],
  [
    /PARSE_SYNTAX_ERROR|UNRESOLVED_|TABLE_OR_VIEW_NOT_FOUND|unknown function|cannot cast|cannot resolve|DATATYPE_MISMATCH|MISSING_AGGREGATION|INVALID_LITERAL|CAST_INVALID_INPUT|CAST_OVERFLOW|DIVIDE_BY_ZERO|ARITHMETIC_OVERFLOW|NUMERIC_VALUE_OUT_OF_RANGE|WRONG_NUM_ARGS|analysis error|AnalysisException|ParseException|SQL parser error|Schema error|Error during planning|cast error|divide by zero|arithmetic overflow/i,
    'SQL_INVALID',
  ],
]

/**
 * @param operation what was tried, for the message: `Write Parquet`.
 * @param where the server, without a secret.
 * @param otherwise of an error whose text says nothing that is known.
 */
export function failureOf(
  error: unknown,
  operation: string,
  where: string,
  otherwise: ErrorCode = 'ENGINE_FAILED',
): LakeError {
  if (error instanceof LakeError) return error
  const [status, said] = [statusOf(error), textOf(error).trim()]
  const details = { url: where, ...(status !== undefined && { grpcStatus: status }) }
  const of = (code: ErrorCode, message: string): LakeError =>
    new LakeError(code, message, { details, cause: error })
  if (status === grpcStatus.unauthenticated || status === grpcStatus.permissionDenied) {
    return of('ENGINE_REFUSED', `${operation}: ${where} refused us: ${said}`)
  }
  if (status === grpcStatus.unavailable || status === grpcStatus.deadlineExceeded) {
    return of('ENGINE_UNAVAILABLE', `${operation}: no answer from ${where}: ${said}`)
  }
  if (isDisconnected(error) || isForgotten(error)) {
    return of('ENGINE_UNAVAILABLE', `${operation}: ${where} has lost the operation: ${said}`)
  }
  const code = kinds.find(([pattern]) => pattern.test(said))?.[1] ?? otherwise
  const lacksSlots = /requires \d+ worker task slots/.test(said)
  return new LakeError(code, `${operation} at ${where}: ${firstLines(said)}`, {
    details: { ...details, ...(lacksSlots && { fault: 'engine-without-slots' }) },
    cause: error,
  })
}

/** A server of Java adds its plan and its stack. */
function firstLines(said: string): string {
  const [text = ''] = said.split(/\n(?:\s*at |JVM stacktrace|== SQL ==|\s*;?\n'?[A-Z][A-Za-z]+ )/)
  const lines = text.trim()
  return lines.length > 2_000 ? `${lines.slice(0, 2_000)} …` : lines
}
