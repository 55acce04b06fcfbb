/** Results of checks: kept for ever, and never changed. A check that passes has a result as well. */
import { randomUUID } from 'node:crypto'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { type Clock, systemClock } from '../base/clock.ts'
import type { IoOptions } from '../base/io.ts'
import { formatJson, type JsonValue, parseJson } from '../base/json.ts'
import { integer, optionalInteger, type RunDatabase, read, transact } from './database.ts'
import type { CheckResultsTable } from './schema.ts'

/** `unknown`: there was nothing to decide it by. */
export const checkStates = ['passed', 'warned', 'failed', 'unknown'] as const
export type CheckState = (typeof checkStates)[number]

export interface NewCheckResult {
  readonly table: string
  readonly check: string
  /** The UTC day of the rows; absent if the check is of the table as a whole. */
  readonly date?: string
  readonly state: CheckState
  /** What was found, as the check has it. */
  readonly content: JsonValue
}

export interface CheckResult extends NewCheckResult {
  readonly id: number
  readonly runId?: number
  readonly recordedMs: number
}

export interface CheckResultFilter {
  readonly table?: string
  readonly check?: string
  readonly date?: string
  /** Newest first; 100 without a limit. */
  readonly limit?: number
}

export interface CheckBook {
  append(results: readonly NewCheckResult[], options?: IoOptions & { readonly runId?: number }): Promise<void>
  /** The newest result of each check and day of a table. */
  newest(table: string, options?: IoOptions): Promise<readonly CheckResult[]>
  list(filter?: CheckResultFilter, options?: IoOptions): Promise<readonly CheckResult[]>
}

const state = z.enum<readonly CheckState[]>(checkStates)

export function createCheckBook(database: RunDatabase, clock: Clock = systemClock): CheckBook {
  return {
    async append(results, { runId, signal } = {}) {
      const rows = results.map(({ table, check, date, state: found, content }) => ({
        token: randomUUID(),
        run_id: runId ?? null,
        recorded_ms: integer(clock.now()),
        table_name: table,
        check_name: check,
        day: date ?? '',
        state: found,
        content: formatJson(content),
      }))
      await transact(
        database,
        async (trx) => {
          for (const row of rows) {
            const mine = await trx
              .selectFrom('check_results')
              .select('id')
              .where('token', '=', row.token)
              .executeTakeFirst()
            if (mine === undefined) await trx.insertInto('check_results').values(row).execute()
          }
        },
        { signal },
      )
    },
    newest: (table, options) =>
      read(
        database,
        async (db) => {
          const last = db
            .selectFrom('check_results')
            .select(({ fn }) => fn.max('id').as('id'))
            .where('table_name', '=', table)
            .groupBy(['check_name', 'day'])
          const rows = await db.selectFrom('check_results').selectAll().where('id', 'in', last).execute()
          return rows.map(decode)
        },
        options,
      ),
    list: ({ table, check, date, limit = 100 } = {}, options) =>
      read(
        database,
        async (db) => {
          let query = db.selectFrom('check_results').selectAll().orderBy('id', 'desc').limit(limit)
          if (table !== undefined) query = query.where('table_name', '=', table)
          if (check !== undefined) query = query.where('check_name', '=', check)
          if (date !== undefined) query = query.where('day', '=', date)
          return (await query.execute()).map(decode)
        },
        options,
      ),
  }
}

function decode(row: Selectable<CheckResultsTable>): CheckResult {
  const runId = optionalInteger(row.run_id)
  return {
    id: integer(row.id),
    ...(runId !== undefined && { runId }),
    recordedMs: integer(row.recorded_ms),
    table: row.table_name,
    check: row.check_name,
    ...(row.day !== '' && { date: row.day }),
    state: state.parse(row.state),
    content: parseJson(row.content, `Check result ${row.id}`),
  }
}
