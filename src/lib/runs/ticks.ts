/**
 * The ticks of a schedule that were made: one row each, unique by schedule and time.
 *
 * A tick is claimed under the lease of its schedule, and settled when its run has ended, whatever its state. If the
 * process of a claim died before that, the tick is run again.
 */

import type { SelectQueryBuilder } from 'kysely'
import { isCutShort, isLakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { optionalInteger, type RunDatabase, read, transact } from './database.ts'
import type { Leases } from './leases.ts'
import type { Schema } from './schema.ts'

type SelectTicks = SelectQueryBuilder<Schema, 'ticks', object>

export interface TickClaim {
  readonly tickMs: number
  readonly kind: 'schedule' | 'catch-up'
  /** How many older, missed ticks this one replaces. */
  readonly missed: number
}

/** `ran`: by us, just now. `settled`: somebody had run it. `busy`: somebody is at a tick of this schedule. */
export type TickOutcome = 'ran' | 'settled' | 'busy'

export interface Ticks {
  /** The newest tick that was settled, or the baseline. */
  latest(schedule: string, options?: IoOptions): Promise<number | undefined>
  /** The newest tick after it that was claimed and is not settled: its process died, or is at it. */
  begun(schedule: string, afterMs: number, options?: IoOptions): Promise<number | undefined>
  /** From where on ticks count, for a schedule that has none yet. */
  baseline(schedule: string, tickMs: number, options?: IoOptions): Promise<void>
  /**
   * Runs `work` unless the tick is settled, or a process is at it. What `work` throws is thrown on, and the
   * tick counts as made, unless the work was interrupted or cut short. The signal that `work` gets aborts when it is lost, and
   * only then: the caller's own signal is heeded before the work begins.
   */
  once(
    schedule: string,
    claim: TickClaim,
    work: (signal: AbortSignal) => Promise<void>,
    options?: IoOptions,
  ): Promise<TickOutcome>
}

export function createTicks(database: RunDatabase, leases: Leases): Ticks {
  const { nowMs } = database

  async function isSettled(schedule: string, tickMs: number): Promise<boolean> {
    const row = await read(database, (trx) =>
      trx
        .selectFrom('ticks')
        .select('settled_ms')
        .where('schedule', '=', schedule)
        .where('tick_ms', '=', tickMs)
        .executeTakeFirst(),
    )
    return row !== undefined && row.settled_ms !== null
  }

  async function insert(
    schedule: string,
    { tickMs, kind, missed }: { tickMs: number; kind: string; missed: number },
    hasSettled: boolean,
    options?: IoOptions,
  ): Promise<void> {
    await transact(
      database,
      async (trx) => {
        try {
          await trx
            .insertInto('ticks')
            .values({
              schedule,
              tick_ms: tickMs,
              kind,
              missed,
              noticed_ms: nowMs(),
              settled_ms: hasSettled ? nowMs() : null,
            })
            .execute()
        } catch (error) {
          if (!database.isDuplicate(error)) throw error
        }
      },
      options,
    )
  }

  async function settle(schedule: string, tickMs: number): Promise<void> {
    await transact(database, (trx) =>
      trx
        .updateTable('ticks')
        .set({ settled_ms: nowMs() })
        .where('schedule', '=', schedule)
        .where('tick_ms', '=', tickMs)
        .execute(),
    )
  }

  async function newest(
    schedule: string,
    only: (ticks: SelectTicks) => SelectTicks,
    options?: IoOptions,
  ): Promise<number | undefined> {
    const row = await read(
      database,
      (db) =>
        only(db.selectFrom('ticks').where('schedule', '=', schedule))
          .select(({ fn }) => fn.max('tick_ms').as('tick_ms'))
          .executeTakeFirst(),
      options,
    )
    return optionalInteger(row?.tick_ms ?? null)
  }

  return {
    latest: (schedule, options) =>
      newest(schedule, (tick) => tick.where('settled_ms', 'is not', null), options),

    begun: (schedule, afterMs, options) =>
      newest(
        schedule,
        (tick) => tick.where('tick_ms', '>', afterMs).where('settled_ms', 'is', null),
        options,
      ),

    baseline: (schedule, tickMs, options) =>
      insert(schedule, { tickMs, kind: 'baseline', missed: 0 }, true, options),

    async once(schedule, claim, work, options = {}) {
      options.signal?.throwIfAborted()
      if (await isSettled(schedule, claim.tickMs)) return 'settled'
      let hasStarted = false
      try {
        return await leases.withLease(`schedule/${schedule}`, async ({ signal }) => {
          hasStarted = true
          if (await isSettled(schedule, claim.tickMs)) return 'settled'
          await insert(schedule, claim, false)
          try {
            await work(signal)
          } catch (error) {
            // Failed is made; interrupted, cut short, or taken over by another, is not.
            const isMade = !signal.aborted && !isLakeError(error, 'INTERRUPTED') && !isCutShort(error)
            if (isMade) await settle(schedule, claim.tickMs)
            throw error
          }
          if (!signal.aborted) await settle(schedule, claim.tickMs)
          return 'ran'
        })
      } catch (error) {
        if (!hasStarted && isLakeError(error, 'RUN_BUSY')) return 'busy'
        throw error
      }
    },
  }
}
