/** Whether messages would become valid events, by the rules that landing and the batch use. */
import type { IoOptions } from '../../lib/base/io.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { type NewMessage, offset } from '../../lib/eventlog/eventlog.ts'
import { invalidReasons, parsedMessages } from '../model/event-rules.ts'
import { createMessagesTable } from '../model/messages.ts'

/**
 * For each message, in order, the reasons why it would be rejected or quarantined if the log appended it at `nowMs`: none
 * for a valid event.
 */
export async function judge(
  session: DuckDbSession,
  messages: readonly NewMessage[],
  { nowMs, signal }: IoOptions & { readonly nowMs: number },
): Promise<readonly (readonly string[])[]> {
  await createMessagesTable(
    session,
    'judged_messages',
    messages.map(({ value }, at) => ({
      value,
      partition: 0,
      offset: offset(BigInt(at)),
      timestampMs: nowMs,
    })),
  )
  const rows = await session.rows(
    `select reject_reasons, case when is_event then ${invalidReasons} else '' end as invalid
     from (${parsedMessages('judged_messages')}) order by kafka_offset`,
    { signal },
  )
  return rows.map(({ reject_reasons: rejected, invalid }) => [
    ...(Array.isArray(rejected) ? rejected.map(String) : []),
    ...String(invalid)
      .split(',')
      .filter((reason) => reason !== ''),
  ])
}
