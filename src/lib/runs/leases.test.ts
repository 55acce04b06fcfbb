import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Clock, ManualClock } from '../base/clock.ts'
import { LakeError } from '../base/errors.ts'
import { openSqlite } from './database.sqlite.ts'
import type { RunDatabase } from './database.ts'
import { createLeases } from './leases.ts'

let folder: string
let database: RunDatabase
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-leases-'))
  database = await openSqlite(join(folder, 'runs.db'))
})
afterEach(async () => {
  await database[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const allHaveGoneOn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('withLease(name, work)', () => {
  it('gives the lease up in time where the store is silent, also if the clock is set back meanwhile', async () => {
    const time = new ManualClock(Date.now())
    let skewMs = 0
    const clock: Clock = {
      now: () => time.now() + skewMs,
      sleep: (ms, options) => time.sleep(ms, options),
    }
    let isSilent = false
    const unanswered: ((error: unknown) => void)[] = []
    const silent = { execute: () => new Promise((_, reject) => unanswered.push(reject)) }
    const db = new Proxy(database.db, {
      get: (target, key) => {
        if (isSilent && key === 'transaction') return () => silent
        const found: unknown = Reflect.get(target, key)
        return typeof found === 'function' ? found.bind(target) : found
      },
    })
    const leases = createLeases({ ...database, db }, { ttlMs: 30_000, clock })
    let held: AbortSignal | undefined
    const work = leases.withLease('batch', async ({ signal }) => {
      held = signal
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      signal.throwIfAborted()
    })
    const ended = expect(work).rejects.toMatchObject({ code: 'LEASE_LOST' })
    await expect.poll(() => time.sleeping).toBeGreaterThan(0)

    isSilent = true
    skewMs = -3_600_000
    for (let seconds = 0; seconds < 29; seconds++) {
      time.advance(1_000)
      await allHaveGoneOn()
    }

    expect(held?.aborted).toBe(true)
    isSilent = false
    for (const fail of unanswered) fail(new LakeError('RUNSTORE_UNAVAILABLE', 'no answer'))
    await ended
  })
})
