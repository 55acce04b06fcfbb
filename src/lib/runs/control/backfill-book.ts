/**
 * Backfills: which days somebody wants made again, and how far that has come. A backfill is there until each of its days is
 * made, so that another process can go on with it.
 *
 *     day   waiting ──► made | failed      failed ──► made
 */
import { randomUUID } from 'node:crypto'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { type Clock, systemClock } from '../../base/clock.ts'
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { formatJson, parseJson } from '../../base/json.ts'
import type { RecordedError } from '../../dag/recorder.ts'
import { integer, optionalInteger, type RunDatabase, read, transact } from '../database.ts'
import { recordedError } from '../run-rows.ts'
import type { BackfillDaysTable, BackfillsTable } from '../schema.ts'

/** Two backfills of which these are equal are the same work. */
export interface BackfillWork {
  readonly dag: string
  /** ISO days: `from` included, `to` not. */
  readonly from: string
  readonly to: string
  /** Those that it is of; empty for all. */
  readonly tasks: readonly string[]
}

export const backfillDayStates = ['waiting', 'made', 'failed'] as const

export interface BackfillDay {
  readonly day: string
  readonly state: (typeof backfillDayStates)[number]
  /** The run that made it, or failed to. */
  readonly runId?: number
  readonly error?: RecordedError
}

export interface Backfill extends BackfillWork {
  readonly id: number
  readonly startedMs: number
  /** In the order of the days. */
  readonly days: readonly BackfillDay[]
}

export interface BackfillBook {
  /** The newest backfill of this work of which not each day is made. */
  unfinished(work: BackfillWork, options?: IoOptions): Promise<Backfill | undefined>
  /** A new one, all of whose days wait. */
  begin(work: BackfillWork, days: readonly string[], options?: IoOptions): Promise<Backfill>
  /** Sets the days of a backfill, also such as it did not have yet. */
  record(id: number, days: readonly BackfillDay[], options?: IoOptions): Promise<void>
  /** @throws LakeError `RUN_MISSING` */
  show(id: number, options?: IoOptions): Promise<Backfill>
}

/** A statement of SQL has room for so many rows, whatever the database. */
const rowsOfInsert = 100

export function createBackfillBook(database: RunDatabase, clock: Clock = systemClock): BackfillBook {
  const show: BackfillBook['show'] = (id, options) =>
    read(
      database,
      async (db) => {
        const row = await db.selectFrom('backfills').selectAll().where('id', '=', id).executeTakeFirst()
        if (row === undefined) {
          throw new LakeError('RUN_MISSING', `Backfill ${id}: there is no such backfill`, { details: { id } })
        }
        const days = await db
          .selectFrom('backfill_days')
          .selectAll()
          .where('backfill_id', '=', id)
          .orderBy('day')
          .execute()
        return decode(row, days)
      },
      options,
    )

  return {
    show,
    async unfinished({ dag, from, to, tasks }, options) {
      const rows = await read(
        database,
        (db) =>
          db
            .selectFrom('backfills')
            .select(['id', 'tasks'])
            .where('dag', '=', dag)
            .where('from_day', '=', from)
            .where('to_day', '=', to)
            .orderBy('id', 'desc')
            .execute(),
        options,
      )
      const newest = rows.find((row) => row.tasks === formatJson(tasks))
      if (newest === undefined) return undefined
      const found = await show(integer(newest.id), options)
      return found.days.every(({ state }) => state === 'made') ? undefined : found
    },
    async begin({ dag, from, to, tasks }, days, options) {
      const token = randomUUID()
      const id = await transact(
        database,
        async (trx) => {
          const mine = trx.selectFrom('backfills').select('id').where('token', '=', token)
          const repeated = await mine.executeTakeFirst()
          if (repeated !== undefined) return integer(repeated.id)
          const values = { token, dag, from_day: from, to_day: to, tasks: formatJson(tasks) }
          await trx
            .insertInto('backfills')
            .values({ ...values, started_ms: integer(clock.now()) })
            .execute()
          const made = integer((await mine.executeTakeFirstOrThrow()).id)
          await insertDays(
            trx,
            made,
            days.map((day) => ({ day, state: 'waiting' })),
          )
          return made
        },
        options,
      )
      return show(id, options)
    },
    async record(id, days, options) {
      await transact(
        database,
        async (trx) => {
          for (let at = 0; at < days.length; at += rowsOfInsert) {
            const some = days.slice(at, at + rowsOfInsert).map(({ day }) => day)
            await trx
              .deleteFrom('backfill_days')
              .where('backfill_id', '=', id)
              .where('day', 'in', some)
              .execute()
          }
          await insertDays(trx, id, days)
        },
        options,
      )
    },
  }
}

async function insertDays(trx: RunDatabase['db'], id: number, days: readonly BackfillDay[]): Promise<void> {
  const rows = days.map(({ day, state, runId, error }) => ({
    backfill_id: id,
    day,
    state,
    run_id: runId ?? null,
    error: error === undefined ? null : formatJson(error),
  }))
  for (let at = 0; at < rows.length; at += rowsOfInsert) {
    await trx
      .insertInto('backfill_days')
      .values(rows.slice(at, at + rowsOfInsert))
      .execute()
  }
}

const taskNames = z.array(z.string())
const dayState = z.enum(backfillDayStates)

function decode(row: Selectable<BackfillsTable>, days: readonly Selectable<BackfillDaysTable>[]): Backfill {
  const id = integer(row.id)
  const what = `Backfill ${id}`
  return {
    id,
    dag: row.dag,
    from: row.from_day,
    to: row.to_day,
    tasks: taskNames.parse(parseJson(row.tasks, what)),
    startedMs: integer(row.started_ms),
    days: days.map(({ day, state, run_id, error }) => {
      const runId = optionalInteger(run_id)
      return {
        day,
        state: dayState.parse(state),
        ...(runId !== undefined && { runId }),
        ...(error !== null && { error: recordedError.parse(parseJson(error, what)) }),
      }
    }),
  }
}
