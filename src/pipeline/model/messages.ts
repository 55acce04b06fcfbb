/** Messages of the event log as tables of DuckDB: raw bytes, never parsed in JavaScript. */
import { type AppendColumn, createTemporaryTable } from '../../lib/duckdb/append.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import type { Message } from '../../lib/eventlog/eventlog.ts'

/** Makes the temporary table `name` with the columns that `parsedMessages` reads. */
export async function createMessagesTable(
  session: DuckDbSession,
  name: string,
  messages: readonly Pick<Message, 'partition' | 'offset' | 'timestampMs' | 'value'>[],
): Promise<void> {
  await createTemporaryTable(session, name, [
    ...placesOf(messages),
    { name: 'kafka_timestamp', kind: 'timestampMs', values: messages.map(({ timestampMs }) => timestampMs) },
    { name: 'value', kind: 'blob', values: messages.map(({ value }) => value) },
  ])
}

/** Makes the temporary table `name` of what a message has beside its place and value: `key` and `headers`. */
export async function createEnvelopesTable(
  session: DuckDbSession,
  name: string,
  messages: readonly Message[],
): Promise<void> {
  await createTemporaryTable(session, name, [
    ...placesOf(messages),
    { name: 'key', kind: 'blob', values: messages.map(({ key }) => key) },
    { name: 'headers', kind: 'namedBytes', values: messages.map(({ headers }) => headers) },
  ])
}

function placesOf(messages: readonly Pick<Message, 'partition' | 'offset'>[]): readonly AppendColumn[] {
  return [
    { name: 'kafka_partition', kind: 'integer', values: messages.map(({ partition }) => partition) },
    { name: 'kafka_offset', kind: 'bigint', values: messages.map(({ offset }) => offset) },
  ]
}
