/**
 * The records of runs: written while a DAG is executed, and read by people.
 *
 * A write is durable when it resolves, and may be repeated. It is refused with `LEASE_LOST` once another process holds
 * the lease of the run, so that a process that slept cannot overwrite its successor.
 */
import { randomUUID } from 'node:crypto'
import type { Updateable } from 'kysely'
import { type Clock, systemClock } from '../base/clock.ts'
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { formatJson } from '../base/json.ts'
import type { RecordedError, RunRecorder } from '../dag/recorder.ts'
import {
  cancelledRun,
  createRunQueue,
  missingRun,
  type QueuedRun,
  queuedOrphans,
  type RunQueue,
  type RunRequest,
  requestValues,
} from './control/run-queue.ts'
import { integer, type RunDatabase, read, transact } from './database.ts'
import { assertInForce, type Lease } from './leases.ts'
import { describeOwner, livenessOf } from './owner.ts'
import {
  type Attempt,
  type AttemptState,
  assertAttemptMove,
  assertRunMove,
  type Run,
  type RunState,
  type RunWithAttempts,
  statesBefore,
  type Trigger,
} from './run.ts'
import { decodeAttempt, decodeRun, type RunRow } from './run-rows.ts'
import type { AttemptsTable } from './schema.ts'

export interface NewRun extends RunRequest {
  /** Held by the caller for as long as the run goes on. */
  readonly lease: Lease
  /** Its number, if it had to wait for the lease. */
  readonly queued?: QueuedRun
}

export interface RunFilter {
  readonly dag?: string
  readonly states?: readonly RunState[]
  readonly triggers?: readonly Trigger[]
  /** Those that have had an attempt at this node. */
  readonly node?: string
  /** Those that were started, or queued, at this time or later. */
  readonly sinceMs?: number
  /** Newest first; 20 by default. */
  readonly limit?: number
}

export interface RunBook extends RunQueue {
  recorder(run: NewRun): RunRecorder
  /** Newest first. */
  list(filter?: RunFilter, options?: IoOptions): Promise<readonly RunWithAttempts[]>
  /** @throws LakeError `RUN_MISSING` */
  show(id: number, options?: IoOptions): Promise<RunWithAttempts>
  latest(
    filter?: Pick<RunFilter, 'dag' | 'states'>,
    options?: IoOptions,
  ): Promise<RunWithAttempts | undefined>
  /** Closes as `abandoned` what no living process is at work on. @returns The runs closed. */
  closeOrphans(options?: IoOptions): Promise<readonly Run[]>
}

export function createRunBook(database: RunDatabase, clock: Clock = systemClock): RunBook {
  const { db } = database

  /** Runs `work` with the present row of the run, or refuses. */
  async function whileRunning(
    runId: number,
    isRepeated: (row: RunRow) => boolean,
    work: (trx: typeof db) => Promise<void>,
  ): Promise<void> {
    await transact(database, async (trx) => {
      const row = await trx.selectFrom('runs').selectAll().where('id', '=', runId).executeTakeFirstOrThrow()
      if (isRepeated(row)) return
      if (row.state !== 'running')
        throw new LakeError('LEASE_LOST', `Run ${runId}: it was closed as ${row.state}`)
      await assertInForce(trx, {
        name: row.lease,
        owner: row.owner,
        fencingToken: integer(row.fencing_token),
      })
      await work(trx)
    })
  }

  function recorder({ lease, queued, ...request }: NewRun): RunRecorder {
    let token = queued?.token ?? randomUUID()
    let runId = 0

    async function setAttempt(
      trx: typeof db,
      at: { readonly node: string; readonly attempt: number },
      to: AttemptState,
      values: Updateable<AttemptsTable>,
    ): Promise<void> {
      const key = trx
        .updateTable('attempts')
        .where('run_id', '=', runId)
        .where('node', '=', at.node)
        .where('attempt', '=', at.attempt)
      const { numUpdatedRows } = await key
        .set({ ...values, state: to })
        .where('state', 'in', statesBefore(to))
        .executeTakeFirst()
      if (numUpdatedRows > 0n) return
      const { attempts } = await readRun(trx, runId)
      const found = attempts.find(({ node, attempt }) => node === at.node && attempt === at.attempt)
      if (found === undefined)
        throw new LakeError('BUG', `Run ${runId}: expected node ${at.node} among those announced`)
      // The answer to the first try was lost: the row there is ours.
      if (found.state !== to) assertAttemptMove(found.state, to)
    }

    return {
      async runStarted({ nodes, startedMs }) {
        runId = await transact(database, async (trx) => {
          const mine = () =>
            trx
              .selectFrom('runs')
              .select(['id', 'state', 'started_ms', 'cancel_ms'])
              .where('token', '=', token)
          let found = await mine().executeTakeFirst()
          if (found?.state === 'running') return integer(found.id)
          if (found !== undefined && found.state !== 'queued') {
            if (found.cancel_ms !== null) throw cancelledRun(integer(found.id))
            if (integer(found.started_ms) > 0) {
              throw new LakeError('LEASE_LOST', `Run ${found.id}: it was closed as ${found.state}`)
            }
            // Closed while it waited, for its machine slept: it begins under another number.
            token = randomUUID()
            found = undefined
          }
          await assertInForce(trx, lease)
          await closeRuns(trx, await runningRuns(trx, lease), startedMs)
          const started = {
            state: 'running',
            started_ms: integer(startedMs),
            owner: lease.owner,
            lease: lease.name,
            fencing_token: lease.fencingToken,
          }
          if (found === undefined) {
            await trx
              .insertInto('runs')
              .values({ token, ...requestValues(request), ...started })
              .execute()
          } else {
            await trx
              .updateTable('runs')
              .set({ ...requestValues(request), ...started })
              .where('id', '=', integer(found.id))
              .execute()
          }
          const { id } = await mine().executeTakeFirstOrThrow()
          for (const [position, node] of nodes.entries()) {
            await trx
              .insertInto('attempts')
              .values({ run_id: integer(id), node, attempt: 1, position, state: 'waiting' })
              .execute()
          }
          return integer(id)
        })
        return runId
      },

      attemptStarted: ({ node, attempt, startedMs }) =>
        whileRunning(
          runId,
          () => false,
          async (trx) => {
            if (attempt > 1) await addAttempt(trx, runId, { node, attempt }, { state: 'waiting' })
            await setAttempt(trx, { node, attempt }, 'running', { started_ms: integer(startedMs) })
          },
        ),

      nodeEnded: (end) =>
        whileRunning(
          runId,
          () => false,
          async (trx) => {
            await setAttempt(trx, end, end.state, {
              ended_ms: integer(end.endedMs),
              rows_in: end.rowsIn === undefined ? null : integer(end.rowsIn),
              rows_out: end.rowsOut === undefined ? null : integer(end.rowsOut),
              inputs: optionalJson(end.inputs),
              versions_before: optionalJson(end.versionsBefore),
              versions_after: optionalJson(end.versionsAfter),
              error: optionalJson(end.error),
              details: optionalJson(end.details),
            })
            if (end.retryMs !== undefined) {
              const next = { node: end.node, attempt: end.attempt + 1 }
              await addAttempt(trx, runId, next, { state: 'up-for-retry', retry_ms: integer(end.retryMs) })
            }
          },
        ),

      async runEnded({ state, endedMs, error }) {
        assertRunMove('running', state)
        await whileRunning(
          runId,
          (row) => row.state === state && row.ended_ms !== null && integer(row.ended_ms) === endedMs,
          async (trx) => {
            await trx
              .updateTable('runs')
              .set({ state, ended_ms: integer(endedMs), error: optionalJson(error) })
              .where('id', '=', runId)
              .execute()
          },
        )
      },
    }
  }

  async function find(
    { dag, states, triggers, node, sinceMs, limit = 20 }: RunFilter,
    options?: IoOptions,
  ): Promise<readonly RunWithAttempts[]> {
    return read(
      database,
      async (trx) => {
        let query = trx.selectFrom('runs').selectAll().orderBy('id', 'desc').limit(limit)
        if (dag !== undefined) query = query.where('dag', '=', dag)
        if (states !== undefined) query = query.where('state', 'in', states)
        if (triggers !== undefined) query = query.where('trigger', 'in', triggers)
        if (sinceMs !== undefined) {
          query = query.where((eb) =>
            eb.or([eb('started_ms', '>=', sinceMs), eb('queued_ms', '>=', sinceMs)]),
          )
        }
        if (node !== undefined) {
          query = query.where(({ exists, selectFrom }) =>
            exists(
              selectFrom('attempts')
                .select('attempts.run_id')
                .whereRef('attempts.run_id', '=', 'runs.id')
                .where('attempts.node', '=', node)
                .where('attempts.started_ms', 'is not', null),
            ),
          )
        }
        return withAttempts(trx, await query.execute())
      },
      options,
    )
  }

  const show = (id: number, options?: IoOptions): Promise<RunWithAttempts> =>
    read(database, (db) => readRun(db, id), options)

  return {
    ...createRunQueue(database, clock),
    recorder,
    show,
    list: (filter = {}, options) => find(filter, options),
    latest: async (filter = {}, options) => (await find({ ...filter, limit: 1 }, options))[0],
    closeOrphans: (options) =>
      transact(
        database,
        async (trx) => {
          const running = await runningRuns(trx)
          const alive = await aliveTokens(trx, database)
          const orphans = running.filter(
            ({ lease, fencing_token }) => !alive.has(tokenOf(lease, fencing_token)),
          )
          const queued = await queuedOrphans(trx, database)
          return closeRuns(trx, [...orphans, ...queued], clock.now())
        },
        options,
      ),
  }
}

const optionalJson = (value: unknown): string | null => (value === undefined ? null : formatJson(value))

const tokenOf = (lease: string, fencingToken: number | bigint | string): string => `${lease} ${fencingToken}`

/** Of one lease: those that an older holder of it has left behind. */
async function runningRuns(trx: RunDatabase['db'], lease?: Lease): Promise<RunRow[]> {
  let query = trx.selectFrom('runs').selectAll().where('state', '=', 'running')
  if (lease !== undefined)
    query = query.where('lease', '=', lease.name).where('fencing_token', '<', lease.fencingToken)
  return query.orderBy('id').execute()
}

/** Leases in force, by name and fencing token, whose holder is not known to be dead. */
async function aliveTokens(trx: RunDatabase['db'], { nowMs }: RunDatabase): Promise<ReadonlySet<string>> {
  const leases = await trx
    .selectFrom('leases')
    .select(['name', 'owner', 'fencing_token'])
    .where('owner', 'is not', null)
    .where('expires_ms', '>', nowMs())
    .execute()
  return new Set(
    leases
      .filter(({ owner }) => owner !== null && livenessOf(owner) !== 'dead')
      .map(({ name, fencing_token }) => tokenOf(name, fencing_token)),
  )
}

async function closeRuns(
  trx: RunDatabase['db'],
  rows: readonly RunRow[],
  endedMs: number,
): Promise<readonly Run[]> {
  const closed: Run[] = []
  for (const row of rows) {
    const error: RecordedError = {
      code: 'INTERRUPTED',
      message: `${describeOwner(row.owner)} ended, or lost touch, before the run did`,
    }
    const end = { state: 'abandoned', ended_ms: endedMs, error: formatJson(error) } as const
    await trx.updateTable('runs').set(end).where('id', '=', integer(row.id)).execute()
    await trx
      .updateTable('attempts')
      .set({ state: end.state, ended_ms: endedMs })
      .where('run_id', '=', integer(row.id))
      .where('state', 'in', statesBefore('abandoned'))
      .execute()
    closed.push(decodeRun({ ...row, ...end }))
  }
  return closed
}

/** Does nothing if the attempt is there. */
async function addAttempt(
  trx: RunDatabase['db'],
  runId: number,
  at: { readonly node: string; readonly attempt: number },
  values: { readonly state: AttemptState; readonly retry_ms?: number },
): Promise<void> {
  const { attempts } = await readRun(trx, runId)
  if (attempts.some(({ node, attempt }) => node === at.node && attempt === at.attempt)) return
  const position = [...new Set(attempts.map(({ node }) => node))].indexOf(at.node)
  await trx
    .insertInto('attempts')
    .values({ run_id: runId, ...at, position, ...values })
    .execute()
}

async function readRun(trx: RunDatabase['db'], id: number): Promise<RunWithAttempts> {
  const run = await trx.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst()
  if (run === undefined) throw missingRun(id)
  const [found] = await withAttempts(trx, [run])
  return found ?? { ...decodeRun(run), attempts: [] }
}

async function withAttempts(
  trx: RunDatabase['db'],
  runs: readonly RunRow[],
): Promise<readonly RunWithAttempts[]> {
  if (runs.length === 0) return []
  const rows = await trx
    .selectFrom('attempts')
    .selectAll()
    .where(
      'run_id',
      'in',
      runs.map(({ id }) => integer(id)),
    )
    .orderBy('position')
    .orderBy('attempt')
    .execute()
  const attempts = new Map<number, Attempt[]>()
  for (const row of rows) {
    const ofRun = attempts.get(integer(row.run_id)) ?? []
    ofRun.push(decodeAttempt(row))
    attempts.set(integer(row.run_id), ofRun)
  }
  return runs.map((run) => ({ ...decodeRun(run), attempts: attempts.get(integer(run.id)) ?? [] }))
}
