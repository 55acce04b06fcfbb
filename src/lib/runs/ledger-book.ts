/**
 * The ledger: what audits of the books found, kept for ever. Each entry holds the hash of the one before, so that an
 * entry that is changed, removed or put in between breaks the chain.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { Insertable, Selectable } from 'kysely'
import { type Clock, systemClock } from '../base/clock.ts'
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { formatJson, type JsonValue, parseJson } from '../base/json.ts'
import { integer, optionalInteger, type RunDatabase, read, transact } from './database.ts'
import type { LedgerTable } from './schema.ts'

export interface NewLedgerEntry {
  /** What was audited, by a name of the caller's. At most 191 characters. */
  readonly subject: string
  readonly content: JsonValue
}

export interface LedgerEntry extends NewLedgerEntry {
  /** From 1, without a gap. */
  readonly sequence: number
  readonly runId?: number
  readonly recordedMs: number
}

/** What is wrong with the chain, at the first entry that is not as it was written. */
export interface ChainFault {
  readonly sequence: number
  readonly subject: string
  readonly reason: string
}

export interface Chain {
  readonly entries: number
  readonly fault?: ChainFault
}

export interface LedgerBook {
  /** Adds all entries, or none. */
  append(entries: readonly NewLedgerEntry[], options?: IoOptions & { readonly runId?: number }): Promise<void>
  /** The newest entry of each subject. */
  newest(options?: IoOptions): Promise<ReadonlyMap<string, LedgerEntry>>
  /** Reads every entry, and computes its hash again. */
  verify(options?: IoOptions): Promise<Chain>
}

type LedgerRow = Selectable<LedgerTable>

/** The hash before the first entry. */
const genesis = '0'.repeat(64)
const rowsAtOnce = 1_000

export function createLedgerBook(database: RunDatabase, clock: Clock = systemClock): LedgerBook {
  return {
    async append(entries, { runId, signal } = {}) {
      const tokens = entries.map(() => randomUUID())
      await transact(
        database,
        async (trx) => {
          const [token] = tokens
          if (token === undefined) return
          const mine = await trx
            .selectFrom('ledger')
            .select('sequence')
            .where('token', '=', token)
            .executeTakeFirst()
          if (mine !== undefined) return
          const last = await trx
            .selectFrom('ledger')
            .selectAll()
            .orderBy('sequence', 'desc')
            .limit(1)
            .executeTakeFirst()
          let { sequence, hash } = {
            sequence: last === undefined ? 0 : integer(last.sequence),
            hash: last?.hash ?? genesis,
          }
          for (const [at, { subject, content }] of entries.entries()) {
            sequence += 1
            const row = {
              sequence,
              token: tokens[at] ?? '',
              run_id: runId ?? null,
              subject,
              recorded_ms: integer(clock.now()),
              content: formatJson(content),
              previous_hash: hash,
            }
            hash = hashOf(row)
            await insert(database, trx, { ...row, hash })
          }
        },
        { signal },
      )
    },
    newest: (options) =>
      read(
        database,
        async (db) => {
          const last = db
            .selectFrom('ledger')
            .select(({ fn }) => fn.max('sequence').as('sequence'))
            .groupBy('subject')
          const rows = await db.selectFrom('ledger').selectAll().where('sequence', 'in', last).execute()
          return new Map(rows.map((row) => [row.subject, decode(row)]))
        },
        options,
      ),
    verify: (options) => read(database, (db) => verifyChain(db), options),
  }
}

/** Another process may have added an entry meanwhile: then all is done again, after it. */
async function insert(
  { isDuplicate, place }: RunDatabase,
  trx: RunDatabase['db'],
  row: Insertable<LedgerTable>,
): Promise<void> {
  try {
    await trx.insertInto('ledger').values(row).execute()
  } catch (error) {
    if (!isDuplicate(error)) throw error
    throw new LakeError('RUNSTORE_UNAVAILABLE', `${place}: another process adds to the ledger`, {
      cause: error,
    })
  }
}

async function verifyChain(db: RunDatabase['db']): Promise<Chain> {
  let before: Pick<LedgerRow, 'sequence' | 'hash'> = { sequence: 0, hash: genesis }
  for (;;) {
    const rows = await db
      .selectFrom('ledger')
      .selectAll()
      .where('sequence', '>', integer(before.sequence))
      .orderBy('sequence')
      .limit(rowsAtOnce)
      .execute()
    for (const row of rows) {
      const reason = faultOf(row, before)
      if (reason !== undefined) {
        const fault = { sequence: integer(row.sequence), subject: row.subject, reason }
        return { entries: integer(before.sequence), fault }
      }
      before = row
    }
    if (rows.length < rowsAtOnce) return { entries: integer(before.sequence) }
  }
}

function faultOf(row: LedgerRow, before: Pick<LedgerRow, 'sequence' | 'hash'>): string | undefined {
  if (integer(row.sequence) !== integer(before.sequence) + 1) {
    return `entry ${integer(before.sequence) + 1} is not there`
  }
  if (row.previous_hash !== before.hash) return 'the entry before it is another one'
  return row.hash === hashOf(row) ? undefined : 'it was changed after it was written'
}

function hashOf(row: Omit<LedgerRow, 'hash'>): string {
  const { sequence, run_id, subject, recorded_ms, content, previous_hash } = row
  const fields = [
    integer(sequence),
    optionalInteger(run_id) ?? null,
    subject,
    integer(recorded_ms),
    content,
    previous_hash,
  ]
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex')
}

function decode({ sequence, run_id, subject, recorded_ms, content }: LedgerRow): LedgerEntry {
  const runId = optionalInteger(run_id)
  return {
    sequence: integer(sequence),
    ...(runId !== undefined && { runId }),
    subject,
    recordedMs: integer(recorded_ms),
    content: parseJson(content, `Ledger entry ${sequence}`),
  }
}
