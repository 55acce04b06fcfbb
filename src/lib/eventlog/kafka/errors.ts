/** Converts errors of kafkajs to errors of our catalogue. */
import { type ErrorCode, LakeError, messageOf, systemCode } from '../../base/errors.ts'

interface Verdict {
  readonly code: ErrorCode
  readonly fault?: string
  readonly right?: MissingRight
}

export type KafkaResource = 'topic' | 'group' | 'transactional-id' | 'cluster'
export type KafkaOperation = 'CREATE' | 'DESCRIBE' | 'DESCRIBE_CONFIGS' | 'READ' | 'WRITE'

/** A right of Kafka's ACLs. */
export interface KafkaRight {
  readonly operation: KafkaOperation
  readonly resource: KafkaResource
  readonly name: string
  /** All names that begin so. */
  readonly isPrefix?: boolean
}

type MissingRight = Partial<KafkaRight> & Pick<KafkaRight, 'resource'>

const untrusted = /^(SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_|CERT_|ERR_TLS_)/
const forbidden = /AUTHORIZATION_FAILED$|^SASL_|_SASL_/
/** What brokers say while partitions are new, or while another broker takes over the leading of one. */
const leaderMoves = /^(LEADER_NOT_AVAILABLE|NOT_LEADER_FOR_PARTITION|REPLICA_NOT_AVAILABLE)$/

/**
 * The error of a kafkajs call as one of ours; `subject` says what was tried, and where.
 * @param needs the rights that the call needs: brokers say only of which resource one is missing.
 */
export function fromKafka(error: unknown, subject: string, needs: readonly KafkaRight[] = []): LakeError {
  if (error instanceof LakeError) return error
  const causes = causesOf(error)
  const verdict: Verdict = causes
    .map((cause) => judge(cause, needs))
    .find((found) => found !== undefined) ?? { code: 'EVENTLOG_UNAVAILABLE' }
  const words = [...new Set(causes.map(messageOf))].join(': ')
  const { code, fault, right } = verdict
  const lacks = right === undefined ? '' : `${lacking(right)}: `
  return new LakeError(code, `${subject}: ${lacks}${words}`, {
    cause: error,
    ...(fault !== undefined && { details: { ...right, fault } }),
  })
}

/** The user is known to the brokers, and may not do what was tried. */
export function rightMissing(subject: string, right: KafkaRight, cause?: unknown): LakeError {
  return new LakeError('EVENTLOG_REFUSED', `${subject}: ${lacking(right)}`, {
    cause,
    details: { ...right, fault: 'right-missing' },
  })
}

const lacking = ({ operation, resource, name = '' }: MissingRight): string =>
  `the user lacks ${operation ?? 'a right'} on ${resource} ${name}`.trimEnd()

const resourceOfType: Readonly<Record<string, KafkaResource>> = {
  TOPIC_AUTHORIZATION_FAILED: 'topic',
  GROUP_AUTHORIZATION_FAILED: 'group',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'transactional-id',
  CLUSTER_AUTHORIZATION_FAILED: 'cluster',
}

/** The kind of resource on which a broker says that a right is missing. */
export const resourceRefused = (error: unknown): KafkaResource | undefined =>
  resourceOfType[textOf(error, 'type')]

function judge(error: unknown, needs: readonly KafkaRight[]): Verdict | undefined {
  const name = error instanceof Error ? error.name : ''
  const type = textOf(error, 'type')
  const resource = resourceRefused(error)
  if (resource !== undefined) {
    // A producer is given its number if it may write to any topic; one that may not is refused by the cluster.
    const named = needs.find((need) => need.resource === (resource === 'cluster' ? 'topic' : resource))
    const right = named ?? { resource }
    return { code: 'EVENTLOG_REFUSED', fault: 'right-missing', right }
  }
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
