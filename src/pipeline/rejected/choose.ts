/**
 * Which rejected messages a replay sends: those that the filter means, in the order of the log, that were not replayed yet,
 * each repaired and judged. What is still bad is refused here, before anything is sent.
 */
import { messageOf } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { createTemporaryTable } from '../../lib/duckdb/append.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { text } from '../../lib/duckdb/sql-text.ts'
import type { NewMessage } from '../../lib/eventlog/eventlog.ts'
import type { MessagePlace } from '../../lib/runs/replay/replay-book.ts'
import { type Fix, fixed } from './fix-script.ts'
import { judge } from './judge.ts'
import { type Letter, type LetterFilter, type LettersContext, letterOf, lettersSelect } from './letters.ts'

export interface Repaired {
  readonly letter: Letter
  readonly message: NewMessage
}

export interface Refused {
  readonly letter: Letter
  /** Of the rules for events; `fix_failed: …` if the script threw. */
  readonly reasons: readonly string[]
}

export interface ChosenPage {
  readonly ready: readonly Repaired[]
  readonly refused: readonly Refused[]
  /** The script leaves these. */
  readonly left: readonly Letter[]
}

export interface Choice {
  readonly topic: string
  readonly filter: LetterFilter
  readonly fix: Fix | undefined
  /** Replayed already, or intended. */
  readonly known: readonly MessagePlace[]
  readonly pageSize: number
  readonly now: () => number
}

/** In the order of the log. Letters that are rejected after the start are not among them. */
export async function* chooseLetters(
  context: LettersContext,
  choice: Choice,
  { signal }: IoOptions = {},
): AsyncGenerator<ChosenPage> {
  using session = await context.duckdb.connect()
  await createTemporaryTable(session, 'known', [
    { name: 'p', kind: 'integer', values: choice.known.map(({ partition }) => partition) },
    { name: 'o', kind: 'bigint', values: choice.known.map(({ offset }) => offset) },
    { name: 't', kind: 'timestampMs', values: choice.known.map(({ appendedMs }) => appendedMs) },
  ])
  const select = await lettersSelect(session, context.rejected, choice.filter, { signal })
  await session.run(
    `create temporary table chosen as
     select row_number() over (order by kafka_timestamp, kafka_partition, kafka_offset) as n,
       epoch_ms(kafka_timestamp) as appended_ms, * exclude (text)
     from (${select}) as letters
     where kafka_topic = ${text(choice.topic)} and not exists (
       from known where p = kafka_partition and o = kafka_offset and t = letters.kafka_timestamp)`,
    { signal },
  )
  for (let after = 0; ; after += choice.pageSize) {
    const rows = await session.rows(
      `from chosen where n > ${after} and n <= ${after + choice.pageSize} order by n`,
      { signal },
    )
    if (rows.length === 0) return
    yield await repair(session, rows.map(letterOf), choice, { signal })
  }
}

async function repair(
  session: DuckDbSession,
  letters: readonly Letter[],
  { fix, now }: Choice,
  { signal }: IoOptions,
): Promise<ChosenPage> {
  const [candidates, refused, left]: [Repaired[], Refused[], Letter[]] = [[], [], []]
  for (const letter of letters) {
    signal?.throwIfAborted()
    try {
      const message = await fixed(fix, letter)
      if (message === undefined) left.push(letter)
      else if (message.headers?.some(({ value }) => value === null) === true)
        refused.push({ letter, reasons: ['header_value_missing'] })
      else candidates.push({ letter, message })
    } catch (error) {
      refused.push({ letter, reasons: [`fix_failed: ${messageOf(error)}`] })
    }
  }
  const verdicts = await judge(
    session,
    candidates.map(({ message }) => message),
    { nowMs: now(), signal },
  )
  const ready = candidates.filter(({ letter }, at) => {
    const reasons = verdicts[at] ?? []
    if (reasons.length > 0) refused.push({ letter, reasons })
    return reasons.length === 0
  })
  return { ready, refused, left }
}
