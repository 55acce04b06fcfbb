/**
 * Runs that wait for their turn, and requests to end a run. Any process writes a request; the process of the run reads it.
 *
 * A queued run has no lease to live by: its process gives a sign of life now and then, and without it the run is
 * closed as abandoned.
 */
import { randomUUID } from 'node:crypto'
import type { Insertable } from 'kysely'
import { type Clock, systemClock } from '../../base/clock.ts'
import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import { formatJson, type JsonValue } from '../../base/json.ts'
import { integer, type RunDatabase, read, transact } from '../database.ts'
import { formatOwner, livenessOf, newOwner } from '../owner.ts'
import type { RunState, ScheduledTick, Trigger } from '../run.ts'
import type { RunRow } from '../run-rows.ts'
import type { RunsTable } from '../schema.ts'

/** A queued run of another machine counts as dead after so long without a sign of life. */
const queuedTtlMs = 30_000

export interface RunRequest {
  readonly dag: string
  readonly trigger: Trigger
  readonly tick?: ScheduledTick
  readonly parameters?: JsonValue
  /** Of a retry or a replay: the first run of this work. */
  readonly firstRun?: number
  /** The version of the code that computes. */
  readonly code?: string
}

/** A run that has a number, and waits for a lease. */
export interface QueuedRun {
  readonly id: number
  /** Of its row in the store. A recorder that has it starts the run. */
  readonly token: string
}

/** `requested`: its process ends it soon. `ended`: it was over before; `state` says how. */
export type CancelOutcome =
  | { readonly kind: 'requested' }
  | { readonly kind: 'ended'; readonly state: RunState }

export interface RunQueue {
  /** @param lease The name of the lease that the run waits for. */
  queue(run: RunRequest, lease: string, options?: IoOptions): Promise<QueuedRun>
  /** A sign of life. `closed`: its process was silent for so long that another one took it for dead. */
  stayQueued(run: QueuedRun, options?: IoOptions): Promise<'queued' | 'cancelled' | 'closed'>
  /** Its turn will not come. */
  leaveQueue(run: QueuedRun, error: LakeError): Promise<void>
  /** @throws LakeError `RUN_MISSING` */
  requestCancel(id: number, options?: IoOptions): Promise<CancelOutcome>
  isCancelRequested(id: number, options?: IoOptions): Promise<boolean>
}

/** The values that a row of a run has from its request. */
export function requestValues({
  dag,
  trigger,
  tick,
  parameters = {},
  firstRun,
  code,
}: RunRequest): Pick<
  Insertable<RunsTable>,
  'dag' | 'trigger' | 'schedule' | 'tick_ms' | 'parameters' | 'first_run' | 'code'
> {
  return {
    dag,
    trigger,
    schedule: tick?.schedule ?? null,
    tick_ms: tick?.tickMs ?? null,
    parameters: formatJson(parameters),
    first_run: firstRun ?? null,
    code: code ?? null,
  }
}

export function createRunQueue(database: RunDatabase, clock: Clock = systemClock): RunQueue {
  const { nowMs } = database

  return {
    async queue(run, lease, options) {
      const token = randomUUID()
      return transact(
        database,
        async (trx) => {
          const mine = trx.selectFrom('runs').select('id').where('token', '=', token)
          const repeated = await mine.executeTakeFirst()
          if (repeated) return { id: integer(repeated.id), token }
          await trx
            .insertInto('runs')
            .values({
              token,
              ...requestValues(run),
              state: 'queued',
              started_ms: 0,
              queued_ms: integer(clock.now()),
              alive_ms: nowMs(),
              owner: formatOwner(newOwner()),
              lease,
              fencing_token: 0,
            })
            .execute()
          const { id } = await mine.executeTakeFirstOrThrow()
          return { id: integer(id), token }
        },
        options,
      )
    },

    async stayQueued({ id }, options) {
      return transact(
        database,
        async (trx) => {
          await trx
            .updateTable('runs')
            .set({ alive_ms: nowMs() })
            .where('id', '=', id)
            .where('state', '=', 'queued')
            .execute()
          const row = await trx
            .selectFrom('runs')
            .select(['state', 'cancel_ms'])
            .where('id', '=', id)
            .executeTakeFirstOrThrow()
          if (row.cancel_ms !== null) return 'cancelled'
          return row.state === 'queued' ? 'queued' : 'closed'
        },
        options,
      )
    },

    async leaveQueue({ id }, { code, message }) {
      await transact(database, (trx) =>
        trx
          .updateTable('runs')
          .set({ state: 'cancelled', ended_ms: integer(clock.now()), error: formatJson({ code, message }) })
          .where('id', '=', id)
          .where('state', '=', 'queued')
          .execute(),
      )
    },

    async requestCancel(id, options) {
      return transact(
        database,
        async (trx) => {
          const row = await trx.selectFrom('runs').select('state').where('id', '=', id).executeTakeFirst()
          if (row === undefined) throw missingRun(id)
          if (row.state !== 'running' && row.state !== 'queued') {
            return { kind: 'ended', state: row.state as RunState }
          }
          await trx
            .updateTable('runs')
            .set({ cancel_ms: integer(clock.now()) })
            .where('id', '=', id)
            .where('cancel_ms', 'is', null)
            .execute()
          return { kind: 'requested' }
        },
        options,
      )
    },

    async isCancelRequested(id, options) {
      const row = await read(
        database,
        (db) => db.selectFrom('runs').select('cancel_ms').where('id', '=', id).executeTakeFirst(),
        options,
      )
      return row !== undefined && row.cancel_ms !== null
    },
  }
}

export function missingRun(id: number): LakeError {
  return new LakeError('RUN_MISSING', `Run ${id}: there is no such run`, { details: { id } })
}

export function cancelledRun(id: number): LakeError {
  return new LakeError('RUN_CANCELLED', `Run ${id} was cancelled: somebody asked for its end`, {
    details: { runId: id },
  })
}

/** Queued runs whose process is dead, or has not been heard of for long. */
export async function queuedOrphans(
  trx: RunDatabase['db'],
  { nowMs }: Pick<RunDatabase, 'nowMs'>,
): Promise<readonly RunRow[]> {
  const queued = await trx
    .selectFrom('runs')
    .selectAll()
    .where('state', '=', 'queued')
    .orderBy('id')
    .execute()
  if (queued.length === 0) return []
  const silent = await trx
    .selectFrom('runs')
    .select('id')
    .where('state', '=', 'queued')
    .where(({ eb, ref }) => eb(eb(ref('alive_ms'), '+', queuedTtlMs), '<', nowMs()))
    .execute()
  const dead = new Set(silent.map(({ id }) => integer(id)))
  return queued.filter(({ id, owner }) => livenessOf(owner) === 'dead' || dead.has(integer(id)))
}
