/**
 * What streaming stages say of themselves, and which of them are paused: for all processes of all machines that share
 * the store.
 *
 * A process writes one row for the stage that it runs, again and again; its age tells whether the process still lives.
 * A pause is of a stage by its name, whichever processes run it now or later.
 */
import { isLakeError, LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { formatJson, type JsonValue, parseJson } from '../../base/json.ts'
import { integer, optionalInteger, type RunDatabase, read, transact } from '../database.ts'
import { livenessOf, parseOwner } from '../owner.ts'

export interface StageReport {
  /** The process, as `formatOwner` writes it, with a token for each start of a stage. */
  readonly owner: string
  readonly stage: string
  readonly content: JsonValue
  /** The stage has ended: this is the last report of this owner. */
  readonly hasEnded: boolean
}

export interface StageRow extends Pick<StageReport, 'owner' | 'stage' | 'content' | 'hasEnded'> {
  readonly host: string
  readonly pid: number
  /** When the process first wrote, and when last, by the clock of the store. */
  readonly startedMs: number
  readonly heardMs: number
  /** How long ago the process wrote, by the clock of the store. */
  readonly silentMs: number
  /** It has not ended in order, and its process is known to be gone: it was of this machine. */
  readonly isDead: boolean
}

export interface StagePause {
  readonly stage: string
  readonly pausedMs: number
  readonly reason: string
}

export interface StageBook {
  /**
   * Records how the stage is now. One short transaction, tried once: a store that is busy is asked again with the next report.
   * @returns whether, and why, the stage is paused.
   */
  report(report: StageReport, options?: IoOptions): Promise<StagePause | undefined>
  /** Of each process the last report, by stage and then by age; those of a week ago are gone. */
  list(options?: IoOptions): Promise<readonly StageRow[]>
  /** Pauses a stage, also one that does not run. @returns The pause that holds, which may be an earlier one. */
  pause(stage: string, reason: string, options?: IoOptions): Promise<StagePause>
  /** @returns The pause that is over; `undefined` if the stage was not paused. */
  resume(stage: string, options?: IoOptions): Promise<StagePause | undefined>
  pauses(options?: IoOptions): Promise<readonly StagePause[]>
}

const keptMs = 7 * 86_400_000

export function createStageBook(database: RunDatabase): StageBook {
  return {
    report: async (report, options) => {
      options?.signal?.throwIfAborted()
      try {
        return await database.db.transaction().execute((trx) => write(database, trx, report))
      } catch (error) {
        throw database.toLakeError(error)
      }
    },
    list: (options) => read(database, (db) => list(database, db), options),
    pause: (stage, reason, options) =>
      transact(
        database,
        async (trx) => {
          const known = await pauseOf(trx, stage)
          if (known !== undefined) return known
          const values = { stage, paused_ms: database.nowMs(), reason }
          try {
            await trx.insertInto('stage_pauses').values(values).execute()
          } catch (error) {
            if (!database.isDuplicate(error)) throw error
            // A transaction of its own is needed to see the row of the other process.
            throw new LakeError(
              'RUNSTORE_UNAVAILABLE',
              `${database.place}: another process pauses ${stage}`,
              {
                cause: error,
              },
            )
          }
          const row = await trx
            .selectFrom('stage_pauses')
            .selectAll()
            .where('stage', '=', stage)
            .executeTakeFirstOrThrow()
          return decode(row)
        },
        options,
      ),
    resume: (stage, options) =>
      transact(
        database,
        async (trx) => {
          const known = await pauseOf(trx, stage)
          await trx.deleteFrom('stage_pauses').where('stage', '=', stage).execute()
          return known
        },
        options,
      ),
    pauses: (options) =>
      read(
        database,
        async (db) =>
          (await db.selectFrom('stage_pauses').selectAll().orderBy('stage').execute()).map(decode),
        options,
      ),
  }
}

type Db = RunDatabase['db']

async function write(
  { nowMs, isDuplicate }: RunDatabase,
  trx: Db,
  { owner, stage, content, hasEnded }: StageReport,
): Promise<StagePause | undefined> {
  const values = {
    stage,
    heard_ms: nowMs(),
    ended_ms: hasEnded ? nowMs() : null,
    content: formatJson(content),
  }
  const { numUpdatedRows } = await trx
    .updateTable('stages')
    .set(values)
    .where('owner', '=', owner)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) {
    // With the first report of a process, so that the table stays small.
    await trx
      .deleteFrom('stages')
      .where(({ eb }) => eb('heard_ms', '<', eb(nowMs(), '-', keptMs)))
      .execute()
    try {
      await trx
        .insertInto('stages')
        .values({ owner, started_ms: nowMs(), ...values })
        .execute()
    } catch (error) {
      // The insert before this one has arrived, and its answer was lost.
      if (!isDuplicate(error)) throw error
    }
  }
  return pauseOf(trx, stage)
}

async function list({ nowMs }: RunDatabase, db: Db): Promise<readonly StageRow[]> {
  const rows = await db
    .selectFrom('stages')
    .selectAll()
    .select(nowMs().as('now_ms'))
    .orderBy('stage')
    .orderBy('heard_ms', 'desc')
    .execute()
  return rows.map(({ owner, stage, started_ms, heard_ms, ended_ms, content, now_ms }) => {
    const { host = '', pid = 0 } = parseOwner(owner) ?? {}
    const hasEnded = optionalInteger(ended_ms) !== undefined
    const heardMs = integer(heard_ms)
    return {
      owner,
      stage,
      content: parsed(content, owner),
      hasEnded,
      host,
      pid,
      startedMs: integer(started_ms),
      heardMs,
      silentMs: Math.max(0, integer(now_ms) - heardMs),
      isDead: !hasEnded && livenessOf(owner) === 'dead',
    }
  })
}

/** One row that cannot be read must not hide the others. */
function parsed(content: string, owner: string): JsonValue {
  try {
    return parseJson(content, `The report of ${owner}`)
  } catch (error) {
    if (!isLakeError(error)) throw error
    return null
  }
}

async function pauseOf(db: Db, stage: string): Promise<StagePause | undefined> {
  const row = await db.selectFrom('stage_pauses').selectAll().where('stage', '=', stage).executeTakeFirst()
  return row && decode(row)
}

function decode(row: {
  readonly stage: string
  readonly paused_ms: number | bigint | string
  readonly reason: string
}): StagePause {
  return { stage: row.stage, pausedMs: integer(row.paused_ms), reason: row.reason }
}
