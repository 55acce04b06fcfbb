/**
 * A batch that dies before or after one of its calls to the store of the tables, and is then run again: silver and gold are
 * what a full rebuild makes of the same bronze. Publication has its own test of this kind, in its room.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'
import { MemoryRecorder } from '../../lib/dag/recorder.memory.ts'
import { DeltaTable } from '../../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { HookedStore } from '../../lib/storage/store.hooked.ts'
import { openLocalStore } from '../../lib/storage/store.local.ts'
import { type BatchContext, runBatch } from '../../pipeline/batch/batch.ts'
import type { Scope } from '../../pipeline/batch/days.ts'
import { tablesMade } from '../../pipeline/batch/tasks.ts'
import type { LakeTable } from '../../pipeline/model/tables.ts'
import {
  openSmallPlatform,
  type SmallPlatform,
  someMessages,
} from '../../pipeline/reconcile/books.fixture.ts'

const tasks = [...tablesMade.keys()]
const tables = [...tablesMade.values()].flat()

let duckdb: DuckDb
let begun: SmallPlatform
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
  // Nothing is loaded.
  begun = await openSmallPlatform(duckdb, undefined as unknown as ClickHouse)
  for (const day of ['2026-11-20', '2026-11-21']) await begun.send(someMessages(40, 1, day))
  await begun.land()
  await begun.batch({ kind: 'changed' }, tasks)
  // A late event, and a new day.
  for (const day of ['2026-11-20', '2026-11-22']) await begun.send(someMessages(30, 2, day))
  await begun.land()
})
afterAll(async () => {
  await begun[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
})

/** @returns a hash of the rows of each table. */
async function hashes({ context }: SmallPlatform): Promise<Readonly<Record<string, unknown>>> {
  const found: Record<string, unknown> = {}
  for (const name of tables) {
    const table = context.table(name)
    found[name] = await duckdb.use(async (session) => {
      const scan = await table.scan(session, await table.snapshot())
      return session.row(
        `select count(*) as rows, md5(string_agg(line, '\n' order by line)) as hash from (select (t::varchar) as line from (${scan}) t)`,
      )
    })
  }
  return found
}

interface Death {
  /** It dies at this call. */
  readonly at: number
  readonly isDone: boolean
}

/** @returns how many calls it made. */
async function batchThatDies(
  platform: SmallPlatform,
  death?: Death,
  scope: Scope = { kind: 'changed' },
): Promise<number> {
  let calls = 0
  let isDead = false
  const die = (): never => {
    isDead = true
    throw new Error('killed')
  }
  const opened = new Map<LakeTable, DeltaTable>()
  const table = (name: LakeTable): DeltaTable => {
    const store = new HookedStore(openLocalStore(join(platform.folder, name)), {
      before: async () => {
        if (isDead) die()
        calls += 1
        if (death?.at === calls && !death.isDone) die()
      },
      after: () => {
        if (death?.at === calls && death.isDone) die()
      },
    })
    const found = opened.get(name) ?? new DeltaTable({ store, duckdb })
    opened.set(name, found)
    return found
  }
  const context: BatchContext = { ...platform.context, table }
  await runBatch(context, { scope, tasks, recorder: new MemoryRecorder() }).catch((error: unknown) => {
    if (!isDead) throw error
  })
  return calls
}

describe('a batch that is killed', () => {
  it.each([
    false,
    true,
  ])('at a call of the store (done: %s) and run again gives the rows of a full rebuild', async (isDone) => {
    await using whole = await begun.copy()
    const calls = await batchThatDies(whole)
    const expected = await hashes(whole)
    await batchThatDies(whole, undefined, { kind: 'full' })
    expect(await hashes(whole)).toEqual(expected)

    // Spread over all of them: most are reads, and one death between two of them is like the next.
    for (let at = 1; at <= calls; at += Math.max(1, Math.floor(calls / 60))) {
      await using platform = await begun.copy()
      await batchThatDies(platform, { at, isDone })
      await platform.batch({ kind: 'changed' }, tasks)

      expect(await hashes(platform), `killed at call ${at} of ${calls}`).toEqual(expected)
    }
  }, 600_000)
})
