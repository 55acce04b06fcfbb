/** Candidates: what runs made of a table and did not publish. Each is described here as long as the store lives. */
import type { Selectable } from 'kysely'
import { type Clock, systemClock } from '../base/clock.ts'
import type { IoOptions } from '../base/io.ts'
import { formatJson, type JsonValue, parseJson } from '../base/json.ts'
import { integer, optionalInteger, type RunDatabase, read, transact } from './database.ts'
import type { CandidatesTable } from './schema.ts'

export interface NewCandidate {
  readonly runId: number
  readonly table: string
  readonly rows: number
  /** Its files and what was wrong with them, as the caller has it. */
  readonly content: JsonValue
}

export interface Candidate extends NewCandidate {
  readonly refusedMs: number
  /** When vacuum has removed its files; absent as long as they are there. */
  readonly vacuumedMs?: number
}

export interface CandidateFilter {
  readonly runId?: number
  readonly table?: string
}

export interface CandidateBook {
  /** One for each run and table: a later one takes the place of an earlier. */
  keep(candidate: NewCandidate, options?: IoOptions): Promise<void>
  /** Newest run first. */
  list(filter?: CandidateFilter, options?: IoOptions): Promise<readonly Candidate[]>
  /** Records that its files are gone. */
  vacuumed(candidate: Pick<Candidate, 'runId' | 'table'>, options?: IoOptions): Promise<void>
}

export function createCandidateBook(database: RunDatabase, clock: Clock = systemClock): CandidateBook {
  return {
    async keep({ runId, table, rows, content }, options) {
      const refusedMs = integer(clock.now())
      await transact(
        database,
        async (trx) => {
          await trx
            .deleteFrom('candidates')
            .where('run_id', '=', runId)
            .where('table_name', '=', table)
            .execute()
          await trx
            .insertInto('candidates')
            .values({
              run_id: runId,
              table_name: table,
              refused_ms: refusedMs,
              row_count: integer(rows),
              content: formatJson(content),
            })
            .execute()
        },
        options,
      )
    },
    list: ({ runId, table } = {}, options) =>
      read(
        database,
        async (db) => {
          let query = db.selectFrom('candidates').selectAll().orderBy('run_id', 'desc').orderBy('table_name')
          if (runId !== undefined) query = query.where('run_id', '=', runId)
          if (table !== undefined) query = query.where('table_name', '=', table)
          return (await query.execute()).map(decode)
        },
        options,
      ),
    async vacuumed({ runId, table }, options) {
      const vacuumedMs = integer(clock.now())
      await transact(
        database,
        async (trx) => {
          await trx
            .updateTable('candidates')
            .set({ vacuumed_ms: vacuumedMs })
            .where('run_id', '=', runId)
            .where('table_name', '=', table)
            .where('vacuumed_ms', 'is', null)
            .execute()
        },
        options,
      )
    },
  }
}

function decode(row: Selectable<CandidatesTable>): Candidate {
  const runId = integer(row.run_id)
  const vacuumedMs = optionalInteger(row.vacuumed_ms)
  return {
    runId,
    table: row.table_name,
    rows: integer(row.row_count),
    content: parseJson(row.content, `Candidate of run ${runId} for ${row.table_name}`),
    refusedMs: integer(row.refused_ms),
    ...(vacuumedMs !== undefined && { vacuumedMs }),
  }
}
