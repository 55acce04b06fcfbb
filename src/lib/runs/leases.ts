/**
 * Leases: a name has at most one holder, and every process can find out whether the holder still lives.
 *
 * A lease ends when it is released, when it is not renewed in time (by the database's clock), or at once if its holder
 * was a process of this machine that has ended. Each holder gets a higher fencing token than the one before. A write
 * under a lower token is refused.
 */
import { type Clock, systemClock } from '../base/clock.ts'
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { integer, type RunDatabase, read, transact } from './database.ts'
import { describeOwner, formatOwner, livenessOf, newOwner } from './owner.ts'

export interface Lease {
  readonly name: string
  /** `host:pid:token`. */
  readonly owner: string
  readonly fencingToken: number
}

export interface LeaseHolder extends Lease {
  readonly acquiredMs: number
  readonly expiresMs: number
  /** The run that goes on under the lease, where there is one. */
  readonly runId?: number
}

export type AcquireOutcome =
  | { readonly kind: 'acquired'; readonly lease: Lease }
  | { readonly kind: 'held'; readonly holder: LeaseHolder }

export interface WithLeaseOptions extends IoOptions {
  /** Wait for the holder instead of failing with `RUN_BUSY`. */
  readonly wait?: boolean
  /** With `wait`: every other process that waits for this lease goes first, also if it came later. */
  readonly yields?: boolean
  /** Called once for each holder that is waited for, and again when the holder has begun its run. */
  readonly onWait?: (holder: LeaseHolder) => void
  /** Called at each look at a lease that is held; what it throws ends the wait. */
  readonly whileWaiting?: () => Promise<void>
}

export interface Leases {
  /** One try. */
  acquire(name: string, options?: IoOptions): Promise<AcquireOutcome>
  /** @returns false when somebody else has the lease: it is lost for good. */
  renew(lease: Lease, options?: IoOptions): Promise<boolean>
  /** Idempotent; does nothing to a lease that is somebody else's by now. */
  release(lease: Lease, options?: IoOptions): Promise<void>
  /**
   * Runs `work` under the lease and renews it meanwhile. The signal that `work` gets aborts with the caller's
   * signal, and with `LEASE_LOST` when the lease is taken over or could not be renewed in time.
   * @throws LakeError `RUN_BUSY` naming the holder when the lease is held and `wait` is not set.
   */
  withLease<T>(
    name: string,
    work: (held: { readonly lease: Lease; readonly signal: AbortSignal }) => Promise<T>,
    options?: WithLeaseOptions,
  ): Promise<T>
}

export interface LeaseSettings {
  /** How long a lease lasts without renewal; it is renewed three times in that span. */
  readonly ttlMs?: number
  readonly pollMs?: number
  /** Paces renewals and waits. Expiry is judged by the database's clock. */
  readonly clock?: Clock | undefined
}

/** With the delay of a schedule between two looks, work of a machine that is gone is taken up within 30 seconds. */
export const defaultLeaseTtlMs = 24_000

export function createLeases(
  database: RunDatabase,
  { ttlMs = defaultLeaseTtlMs, pollMs = 500, clock = systemClock }: LeaseSettings = {},
): Leases {
  const { nowMs } = database

  async function acquire(name: string, options?: IoOptions): Promise<AcquireOutcome> {
    const owner = formatOwner(newOwner())
    await addMissingRow(database, name, options)
    return transact(
      database,
      async (trx) => {
        const take = trx.updateTable('leases').set(({ eb }) => ({
          owner,
          fencing_token: eb('fencing_token', '+', 1),
          acquired_ms: nowMs(),
          expires_ms: eb(nowMs(), '+', ttlMs),
        }))
        await take
          .where('name', '=', name)
          .where((eb) => eb.or([eb('owner', 'is', null), eb('expires_ms', '<=', nowMs())]))
          .execute()
        let row = await readRow()
        if (row.owner !== owner && row.owner !== null && livenessOf(row.owner) === 'dead') {
          await take
            .where('name', '=', name)
            .where('owner', '=', row.owner)
            .where('fencing_token', '=', row.fencingToken)
            .execute()
          row = await readRow()
        }
        const lease = { name, owner: row.owner ?? '', fencingToken: row.fencingToken }
        if (row.owner === owner) return { kind: 'acquired', lease }
        const run = await trx
          .selectFrom('runs')
          .select('id')
          .where('state', '=', 'running')
          .where('lease', '=', name)
          .where('fencing_token', '=', row.fencingToken)
          .orderBy('id', 'desc')
          .executeTakeFirst()
        const { acquiredMs, expiresMs } = row
        const holder = { ...lease, acquiredMs, expiresMs, ...(run && { runId: integer(run.id) }) }
        return { kind: 'held', holder }

        async function readRow() {
          const found = await trx
            .selectFrom('leases')
            .select(['owner', 'fencing_token', 'acquired_ms', 'expires_ms'])
            .where('name', '=', name)
            .executeTakeFirstOrThrow()
          return {
            owner: found.owner,
            fencingToken: integer(found.fencing_token),
            acquiredMs: integer(found.acquired_ms),
            expiresMs: integer(found.expires_ms),
          }
        }
      },
      options,
    )
  }

  async function renew({ name, owner, fencingToken }: Lease, options?: IoOptions): Promise<boolean> {
    const { numUpdatedRows } = await transact(
      database,
      (trx) =>
        trx
          .updateTable('leases')
          .set(({ eb }) => ({ expires_ms: eb(nowMs(), '+', ttlMs) }))
          .where('name', '=', name)
          .where('owner', '=', owner)
          .where('fencing_token', '=', fencingToken)
          .executeTakeFirst(),
      options,
    )
    return numUpdatedRows > 0n
  }

  async function release({ name, owner, fencingToken }: Lease, options?: IoOptions): Promise<void> {
    await transact(
      database,
      (trx) =>
        trx
          .updateTable('leases')
          .set({ owner: null })
          .where('name', '=', name)
          .where('owner', '=', owner)
          .where('fencing_token', '=', fencingToken)
          .execute(),
      options,
    )
  }

  async function acquireOrWait(
    name: string,
    { signal, wait = false, yields = false, onWait, whileWaiting }: WithLeaseOptions,
  ): Promise<Lease> {
    let queue: Lease | undefined
    try {
      for (let reported = ''; ; await clock.sleep(pollMs, { signal })) {
        if (wait && yields && (await isHeld(queueOf(name), { signal }))) {
          await whileWaiting?.()
          continue
        }
        const outcome = await acquire(name, { signal })
        if (outcome.kind === 'acquired') return outcome.lease
        const { holder } = outcome
        if (!wait) throw busy(holder)
        if (!yields) queue = await standInQueue(name, queue, { signal })
        const seen = `${holder.fencingToken} ${holder.runId ?? ''}`
        if (seen !== reported) onWait?.(holder)
        reported = seen
        await whileWaiting?.()
      }
    } finally {
      // Best effort: a place that is not given back ends by itself.
      if (queue !== undefined) await release(queue).catch(() => undefined)
    }
  }

  /** One of the processes that wait holds the lease of the queue: it tells those that yield that somebody waits. */
  async function standInQueue(
    name: string,
    queue: Lease | undefined,
    options: IoOptions,
  ): Promise<Lease | undefined> {
    if (queue !== undefined && (await renew(queue, options))) return queue
    const outcome = await acquire(queueOf(name), options)
    return outcome.kind === 'acquired' ? outcome.lease : undefined
  }

  /** Whether a process that is not known to be dead holds the lease. */
  async function isHeld(name: string, options: IoOptions): Promise<boolean> {
    const row = await read(
      database,
      (db) =>
        db
          .selectFrom('leases')
          .select('owner')
          .where('name', '=', name)
          .where('expires_ms', '>', nowMs())
          .executeTakeFirst(),
      options,
    )
    return row !== undefined && row.owner !== null && livenessOf(row.owner) !== 'dead'
  }

  /**
   * Renews until aborted; returns the reason when the lease is lost. It is given up some time before the
   * database lets another one have it, so that the two never work at once.
   */
  async function keep(lease: Lease, done: AbortSignal): Promise<LakeError | undefined> {
    let deadline = deadlineFrom(clock, ttlMs * 0.8)
    let cause: unknown
    while (!done.aborted && !deadline.isOver()) {
      await Promise.race([pause(ttlMs / 3, done), deadline.passed])
      if (done.aborted || deadline.isOver()) break
      // Of a lease that is renewed now: counted from the question, for nobody knows when the database has seen it.
      const next = deadlineFrom(clock, ttlMs * 0.8)
      const answered = new AbortController()
      const renewed = renew(lease, { signal: AbortSignal.any([done, answered.signal]) }).catch(
        (error: unknown) => {
          cause = error
          return 'failed' as const
        },
      )
      const outcome = await Promise.race([renewed, deadline.passed.then(() => 'too late' as const)])
      answered.abort()
      const [kept, other] = outcome === true ? [next, deadline] : [deadline, next]
      other.end()
      deadline = kept
      if (outcome === false && !done.aborted) {
        deadline.end()
        return lost(lease, 'somebody else has taken it')
      }
    }
    deadline.end()
    return done.aborted ? undefined : lost(lease, `not renewed within ${ttlMs} ms`, cause)
  }

  /** Ends early, and without an error, when aborted. */
  const pause = (ms: number, signal: AbortSignal): Promise<void> =>
    clock.sleep(Math.max(0, ms), { signal }).catch(() => undefined)

  return {
    acquire,
    renew,
    release,
    async withLease(name, work, options = {}) {
      const lease = await acquireOrWait(name, options)
      const [isLost, isDone] = [new AbortController(), new AbortController()]
      const keeping = keep(lease, isDone.signal).then((error) => error && isLost.abort(error))
      const { signal } = options
      try {
        return await work({
          lease,
          signal: signal === undefined ? isLost.signal : AbortSignal.any([signal, isLost.signal]),
        })
      } finally {
        isDone.abort()
        await keeping
        // Best effort: the work is done, and a lease that is not given back ends by itself.
        await release(lease).catch(() => undefined)
      }
    },
  }
}

const queueOf = (name: string): string => `${name}/queue`

interface Deadline {
  readonly passed: Promise<void>
  isOver(): boolean
  end(): void
}

/** By a timer, as the clock may be set back; and by the clock, as timers stand still while a machine is suspended. */
function deadlineFrom(clock: Clock, ms: number): Deadline {
  const untilMs = clock.now() + ms
  const ended = new AbortController()
  let hasPassed = false
  const passed = clock.sleep(ms, { signal: ended.signal }).then(
    () => {
      hasPassed = true
    },
    () => undefined,
  )
  return { passed, isOver: () => hasPassed || clock.now() >= untilMs, end: () => ended.abort() }
}

async function addMissingRow(database: RunDatabase, name: string, options?: IoOptions): Promise<void> {
  const isThere = await read(
    database,
    (trx) => trx.selectFrom('leases').select('name').where('name', '=', name).executeTakeFirst(),
    options,
  )
  if (isThere) return
  await transact(
    database,
    async (trx) => {
      try {
        await trx
          .insertInto('leases')
          .values({ name, owner: null, fencing_token: 0, acquired_ms: 0, expires_ms: 0 })
          .execute()
      } catch (error) {
        if (!database.isDuplicate(error)) throw error
      }
    },
    options,
  )
}

function busy({ name, owner, runId, acquiredMs, expiresMs }: LeaseHolder): LakeError {
  const since = new Date(acquiredMs).toISOString()
  const run = runId === undefined ? '' : ` with run ${runId}`
  return new LakeError('RUN_BUSY', `${name} is held by ${describeOwner(owner)}${run} since ${since}`, {
    details: { name, owner, runId, acquiredMs, expiresMs },
  })
}

function lost({ name, owner }: Lease, why: string, cause?: unknown): LakeError {
  return new LakeError('LEASE_LOST', `Lease ${name} of ${describeOwner(owner)}: ${why}`, {
    details: { name, owner },
    cause,
  })
}

/** @throws LakeError `LEASE_LOST` unless `lease` is in force; its row stays locked to the end of `trx`. */
export async function assertInForce(trx: RunDatabase['db'], lease: Lease): Promise<void> {
  const { numUpdatedRows } = await trx
    .updateTable('leases')
    .set(({ ref }) => ({ expires_ms: ref('expires_ms') }))
    .where('name', '=', lease.name)
    .where('owner', '=', lease.owner)
    .where('fencing_token', '=', lease.fencingToken)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw lost(lease, 'somebody else has taken it')
}
