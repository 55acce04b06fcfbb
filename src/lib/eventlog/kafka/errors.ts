/** Converts errors of kafkajs to errors of our catalogue. */
import { type ErrorCode, LakeError, messageOf, systemCode } from '../../base/errors.ts'

interface Verdict {
  readonly code: ErrorCode
  readonly fault?: string
}

const untrusted = /^(SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_|CERT_|ERR_TLS_)/
const forbidden = /AUTHORIZATION_FAILED$|^SASL_|_SASL_/
/** What brokers say while partitions are new, or while another broker takes over the leading of one. */
const leaderMoves = /^(LEADER_NOT_AVAILABLE|NOT_LEADER_FOR_PARTITION|REPLICA_NOT_AVAILABLE)$/

/** The error of a kafkajs call as one of ours; `subject` says what was tried, and where. */
export function fromKafka(error: unknown, subject: string): LakeError {
  if (error instanceof LakeError) return error
  const causes = causesOf(error)
  const verdict: Verdict = causes.map(judge).find((found) => found !== undefined) ?? {
    code: 'EVENTLOG_UNAVAILABLE',
  }
  const words = [...new Set(causes.map(messageOf))].join(': ')
  return new LakeError(verdict.code, `${subject}: ${words}`, {
    cause: error,
    ...(verdict.fault !== undefined && { details: { fault: verdict.fault } }),
  })
}

function judge(error: unknown): Verdict | undefined {
  const name = error instanceof Error ? error.name : ''
  const type = textOf(error, 'type')
  if (name === 'KafkaJSSASLAuthenticationError' || forbidden.test(type)) return { code: 'EVENTLOG_REFUSED' }
  if (name === 'KafkaJSGroupCoordinatorNotFound')
    return {
      code: 'EVENTLOG_UNAVAILABLE',
      fault: 'no-group-coordinator',
    }
  if (leaderMoves.test(type)) return { code: 'EVENTLOG_UNAVAILABLE', fault: 'leader-moves' }
  if (name === 'KafkaJSConnectionClosedError')
    return {
      code: 'EVENTLOG_UNAVAILABLE',
      fault: 'connection-closed',
    }
  if (untrusted.test(systemCode(error) ?? ''))
    return { code: 'EVENTLOG_REFUSED', fault: 'certificate-untrusted' }
  if (type === 'MESSAGE_TOO_LARGE' || type === 'RECORD_LIST_TOO_LARGE')
    return {
      code: 'SOURCE_FAILED',
      fault: 'message-too-large',
    }
  return undefined
}

/** The error, the errors that it gathers, and their causes, outermost first. */
function causesOf(error: unknown, depth = 0): unknown[] {
  if (depth > 8 || typeof error !== 'object' || error === null) return depth === 0 ? [error] : []
  const gathered = 'errors' in error && Array.isArray(error.errors) ? error.errors : []
  const cause = 'cause' in error && error.cause !== error ? [error.cause] : []
  return [error, ...[...gathered, ...cause].flatMap((inner) => causesOf(inner, depth + 1))]
}

function textOf(error: unknown, property: 'type'): string {
  if (typeof error !== 'object' || error === null || !(property in error)) return ''
  return typeof error[property] === 'string' ? error[property] : ''
}
