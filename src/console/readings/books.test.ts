import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../lib/base/clock.ts'
import type { RunWithAttempts } from '../../lib/runs/run.ts'
import { openRunStore, type RunStore } from '../../lib/runs/run-store.ts'
import { identityNames } from '../../pipeline/reconcile/identity-names.ts'
import {
  type AuditedIdentity,
  contentOf,
  subjectOf,
} from '../../pipeline/reconcile/ledger/recorded-identity.ts'
import { booksSchema } from '../answers.ts'
import { createBooksReader, unaudited } from './books.ts'

const nowMs = Date.parse('2026-11-23T08:00:00Z')
let folder = ''
let store: RunStore
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-console-books-'))
  store = await openRunStore({ url: `sqlite:${join(folder, 'runs.db')}`, clock: new ManualClock(nowMs) })
})
afterEach(async () => {
  await store[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const record = (...identities: readonly AuditedIdentity[]): Promise<void> =>
  store.ledger.append(identities.map((each) => ({ subject: subjectOf(each), content: contentOf(each) })))

function runOf(id: number, ledger: Partial<RunWithAttempts['attempts'][number]>): RunWithAttempts {
  return {
    id,
    dag: 'lakehouse_batch',
    trigger: 'schedule',
    state: 'succeeded',
    parameters: {},
    startedMs: nowMs,
    owner: 'host:1:x',
    attempts: [
      { node: 'bronze_to_silver', attempt: 1, state: 'succeeded', endedMs: nowMs },
      { node: 'ledger', attempt: 1, state: 'succeeded', ...ledger },
    ],
  }
}

const read = async (...runs: readonly RunWithAttempts[]) => {
  const books = await createBooksReader(store, { list: async () => runs })()
  return booksSchema.omit({ readAt: true, isStale: true, problem: true }).parse(books)
}

const landed = (partition: number, count: bigint): AuditedIdentity => ({
  name: identityNames.landed,
  table: 'bronze/events',
  partition,
  left: count,
  right: count,
})
const windows: AuditedIdentity = {
  name: identityNames.windows,
  table: 'realtime',
  date: '2026-11-22',
  left: 9n,
  right: 9n,
}

describe('createBooksReader(store, runs)', () => {
  it('says that nothing has been audited yet', async () => {
    expect(await read()).toEqual(unaudited)
  })

  it('sums what the newest audits have found, on the way of an event', async () => {
    await record(windows, landed(0, 1n), landed(1, 5n))
    await record(landed(0, 7n))

    const { isBalanced, identities, problems } = await read()

    expect(isBalanced).toBe(true)
    expect(problems).toEqual([])
    expect(identities).toEqual([
      { name: identityNames.landed, audited: 2, left: 12, right: 12, wrong: 0, accepted: 0 },
      { name: identityNames.windows, audited: 1, left: 9, right: 9, wrong: 0, accepted: 0 },
    ])
  })

  it('names what does not hold, and not what somebody has accepted', async () => {
    const gone = { ...landed(1, 5n), right: 4n, problem: '1 message is in neither table' }
    const accepted = { ...landed(2, 3n), right: 2n, problem: 'x', accepted: 'asked for' }
    await record({ ...windows, right: 8n, problem: '1 window' }, gone, accepted)

    const { isBalanced, identities, problems } = await read()

    expect(isBalanced).toBe(false)
    expect(identities.map((identity) => [identity.wrong, identity.accepted])).toEqual([
      [1, 1],
      [1, 0],
    ])
    expect(problems).toEqual([
      { name: identityNames.landed, table: 'bronze/events', date: null, partition: 1, problem: gone.problem },
      {
        name: identityNames.windows,
        table: 'realtime',
        date: '2026-11-22',
        partition: null,
        problem: '1 window',
      },
    ])
  })

  it('tells of the release that readers see, and of the newest run whose audit has ended', async () => {
    await store.releases.publish({ runId: 3, tables: {} })
    const under = runOf(5, { state: 'running' })
    const skipped = runOf(4, { state: 'skipped', endedMs: nowMs })

    const { audit, release } = await read(
      under,
      skipped,
      runOf(3, { state: 'failed', endedMs: nowMs - 1_000 }),
    )

    expect(audit).toEqual({ run: 3, endedAt: '2026-11-23T07:59:59.000Z' })
    expect(release).toEqual({ id: 1, run: 3, releasedAt: '2026-11-23T08:00:00.000Z' })
  })
})
