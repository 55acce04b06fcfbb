import { describe, expect, it } from 'vitest'
import { fromKafka } from './errors.ts'

/** An error as kafkajs 2.2.4 throws it. */
function thrown(name: string, message: string, properties: object = {}): Error {
  return Object.assign(new Error(message), { name, ...properties })
}

const retriesOf = (cause: Error): Error => thrown('KafkaJSNumberOfRetriesExceeded', cause.message, { cause })

describe('fromKafka(error, subject)', () => {
  it.each([
    [
      'a wrong password',
      thrown(
        'KafkaJSSASLAuthenticationError',
        'SASL PLAIN authentication failed: Invalid username or password',
      ),
      'EVENTLOG_REFUSED',
    ],
    [
      'a missing right to write',
      thrown('KafkaJSNonRetriableError', 'Not authorized to access topics', {
        cause: thrown('KafkaJSProtocolError', 'Not authorized to access topics', {
          type: 'TOPIC_AUTHORIZATION_FAILED',
        }),
      }),
      'EVENTLOG_REFUSED',
    ],
    [
      'a missing right to create',
      thrown('KafkaJSAggregateError', 'Topic creation errors', {
        errors: [thrown('KafkaJSCreateTopicError', 'Not authorized', { type: 'TOPIC_AUTHORIZATION_FAILED' })],
      }),
      'EVENTLOG_REFUSED',
    ],
    [
      'an authority that is not trusted',
      retriesOf(
        thrown('KafkaJSConnectionError', 'Connection error: self-signed certificate', {
          code: 'SELF_SIGNED_CERT_IN_CHAIN',
        }),
      ),
      'EVENTLOG_REFUSED',
    ],
    [
      'a port where nothing listens',
      retriesOf(
        thrown('KafkaJSConnectionError', 'Connection error: connect ECONNREFUSED', { code: 'ECONNREFUSED' }),
      ),
      'EVENTLOG_UNAVAILABLE',
    ],
    [
      'a broker that hangs up',
      retriesOf(thrown('KafkaJSConnectionClosedError', 'Closed connection')),
      'EVENTLOG_UNAVAILABLE',
    ],
    [
      'a partition whose leader moves',
      retriesOf(
        thrown('KafkaJSProtocolError', 'This server is not the leader for that topic-partition', {
          type: 'NOT_LEADER_FOR_PARTITION',
        }),
      ),
      'EVENTLOG_UNAVAILABLE',
    ],
    [
      'a message that is too large',
      thrown('KafkaJSProtocolError', 'The request included a message larger than the max message size', {
        type: 'MESSAGE_TOO_LARGE',
      }),
      'SOURCE_FAILED',
    ],
    ['what was never an error', 'text', 'EVENTLOG_UNAVAILABLE'],
  ])('tells %s', (_, error, code) => {
    const ours = fromKafka(error, 'append')

    expect(ours.code).toBe(code)
    expect(ours.cause).toBe(error)
  })

  it('says what was tried, and the words of each cause once', () => {
    const error = retriesOf(thrown('KafkaJSConnectionClosedError', 'Closed connection'))

    const ours = fromKafka(error, 'append 3 messages to t')

    expect(ours.message).toBe('append 3 messages to t: Closed connection')
    expect(ours.details).toEqual({ fault: 'connection-closed' })
  })

  it.each([
    'LEADER_NOT_AVAILABLE',
    'NOT_LEADER_FOR_PARTITION',
    'REPLICA_NOT_AVAILABLE',
  ])('knows %s for a leader that moves, so that it is asked again', (type) => {
    const ours = fromKafka(retriesOf(thrown('KafkaJSProtocolError', 'not now', { type })), 'read')

    expect(ours.details).toEqual({ fault: 'leader-moves' })
  })

  it.each([
    ['TOPIC_AUTHORIZATION_FAILED', 'the user lacks WRITE on topic t', { operation: 'WRITE', name: 't' }],
    // A producer that may write to no topic is refused by the cluster.
    ['CLUSTER_AUTHORIZATION_FAILED', 'the user lacks WRITE on topic t', { operation: 'WRITE', name: 't' }],
    ['GROUP_AUTHORIZATION_FAILED', 'the user lacks a right on group', { resource: 'group' }],
  ])('names the right that is missing at %s', (type, words, details) => {
    const needs = [{ operation: 'WRITE', resource: 'topic', name: 't' }] as const

    const ours = fromKafka(thrown('KafkaJSProtocolError', 'no', { type }), 'append', needs)

    expect(ours.message).toBe(`append: ${words}: no`)
    expect(ours.details).toMatchObject({ ...details, fault: 'right-missing' })
  })
})
