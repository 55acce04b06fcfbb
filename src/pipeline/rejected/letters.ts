/**
 * Dead letters: the messages in `bronze/rejected`, as people look for them. A letter is one rejected message with its
 * bytes, its place in the log, and why it is no event.
 */
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { DeltaTable } from '../../lib/delta/index.ts'
import type { DuckDb, DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { parseExpression } from '../../lib/duckdb/expression.ts'
import { text } from '../../lib/duckdb/sql-text.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import type { Header } from '../../lib/eventlog/eventlog.ts'

export interface LettersContext {
  /** `bronze/rejected`. */
  readonly rejected: DeltaTable
  readonly duckdb: DuckDb
}

export interface Letter {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** When the log appended the message. */
  readonly appendedMs: number
  /** ISO time in UTC. */
  readonly ingestedAt: string
  readonly reasons: readonly string[]
  /** `null`: the message has no value. */
  readonly value: Uint8Array | null
  readonly key: Uint8Array | null
  readonly headers: readonly Header[]
}

/** A value as text; `null` if there is none, or it is not UTF-8. */
export function valueText(value: Uint8Array | null): string | null {
  if (value === null) return null
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value)
  } catch {
    return null
  }
}

/** Which letters are meant; all that are given must hold. */
export interface LetterFilter {
  readonly partition?: number
  readonly offset?: bigint
  /** One of its reasons. */
  readonly reason?: string
  /** Appended at this time or later. */
  readonly sinceMs?: number
  /** SQL over the columns of `bronze/rejected`, and `text`: the value as text, null if it is not UTF-8. */
  readonly where?: string
}

export interface ReasonSummary {
  readonly reason: string
  /** A letter with several reasons counts in each of them. */
  readonly letters: number
  /** ISO times in UTC, of the append. */
  readonly first: string
  readonly last: string
  /** The newest letter of the reason. */
  readonly sample: { readonly partition: number; readonly offset: bigint }
}

export interface LettersSummary {
  readonly letters: number
  /** The most frequent first. */
  readonly reasons: readonly ReasonSummary[]
}

export async function summarizeLetters(
  { rejected, duckdb }: LettersContext,
  filter: LetterFilter,
  { signal }: IoOptions = {},
): Promise<LettersSummary> {
  return duckdb.use(async (session) => {
    const select = await lettersSelect(session, rejected, filter, { signal })
    const total = await session.row(`select count(*) as n from (${select})`, { signal })
    const rows = await session.rows(
      `select reason, count(*) as n, min(kafka_timestamp) as first, max(kafka_timestamp) as last,
         arg_max({p: kafka_partition, o: kafka_offset}, (kafka_timestamp, kafka_offset, kafka_partition)) as sample
       from (select *, unnest(reasons) as reason from (${select})) group by reason order by n desc, reason`,
      { signal },
    )
    return { letters: Number(total['n']), reasons: rows.map(summaryOf) }
  })
}

function summaryOf(row: Row): ReasonSummary {
  const { p, o } = Object(row['sample']) as { readonly p: number; readonly o: bigint }
  return {
    reason: String(row['reason']),
    letters: Number(row['n']),
    first: String(row['first']),
    last: String(row['last']),
    sample: { partition: p, offset: BigInt(o) },
  }
}

export interface ReadLettersOptions extends IoOptions {
  readonly limit?: number
  /** By the time of the append. */
  readonly order: 'newest first' | 'oldest first'
}

/** @throws LakeError `SQL_INVALID` if the condition is not one expression, or does not fit the columns. */
export async function readLetters(
  { rejected, duckdb }: LettersContext,
  filter: LetterFilter,
  { limit, order, signal }: ReadLettersOptions,
): Promise<readonly Letter[]> {
  return duckdb.use(async (session) => {
    const select = await lettersSelect(session, rejected, filter, { signal })
    const direction = order === 'newest first' ? 'desc' : 'asc'
    const rows = await session.rows(
      `select *, epoch_ms(kafka_timestamp) as appended_ms from (${select})
       order by kafka_timestamp ${direction}, kafka_partition, kafka_offset ${direction}
       ${limit === undefined ? '' : `limit ${limit}`}`,
      { signal },
    )
    return rows.map(letterOf)
  })
}

/** The rows of `bronze/rejected` that the filter means, and `text`. Good in `session` alone. */
export async function lettersSelect(
  session: DuckDbSession,
  rejected: DeltaTable,
  { partition, offset, reason, sinceMs, where }: LetterFilter,
  { signal }: IoOptions = {},
): Promise<string> {
  if (where !== undefined) await parseExpression(session, where, { what: '--where', signal })
  const scan = await rejected.scan(session, await rejected.snapshot({ signal }), { signal })
  const conditions = [
    ...(partition === undefined ? [] : [`kafka_partition = ${partition}`]),
    ...(offset === undefined ? [] : [`kafka_offset = ${offset}`]),
    ...(reason === undefined ? [] : [`list_contains(reasons, ${text(reason)})`]),
    ...(sinceMs === undefined ? [] : [`epoch_ms(kafka_timestamp) >= ${sinceMs}`]),
    // On lines of its own, so that a comment at its end ends there.
    ...(where === undefined ? [] : [`(\n${where}\n)`]),
  ]
  return `select * from (select *, try(decode(raw)) as text from (${scan})) where ${['true', ...conditions].join(' and ')}`
}

/** Of a row of `bronze/rejected` with `appended_ms`. */
export function letterOf(row: Row): Letter {
  const headers = row['headers']
  const reasons = row['reasons']
  return {
    topic: String(row['kafka_topic']),
    partition: Number(row['kafka_partition']),
    offset: BigInt(String(row['kafka_offset'])),
    appendedMs: Number(row['appended_ms']),
    ingestedAt: String(row['ingested_at']),
    reasons: Array.isArray(reasons) ? reasons.map(String) : [],
    value: bytesOf(row['raw']),
    key: bytesOf(row['key']),
    headers: Array.isArray(headers) ? headers.map(headerOf) : [],
  }
}

function headerOf(value: unknown): Header {
  const header = Object(value) as Readonly<Record<string, unknown>>
  return { key: String(header['key']), value: bytesOf(header['value']) }
}

function bytesOf(value: unknown): Uint8Array | null {
  return value instanceof Uint8Array ? value : null
}

/** @throws LakeError `MESSAGE_MISSING` if no letter stands there. */
export function requireLetter(
  letters: readonly Letter[],
  place: { readonly partition: number; readonly offset: bigint },
): Letter {
  const [letter] = letters
  if (letter !== undefined) return letter
  const { partition, offset } = place
  throw new LakeError(
    'MESSAGE_MISSING',
    `bronze/rejected: it has no message of partition ${partition}, offset ${offset}`,
    { details: { partition, offset } },
  )
}
