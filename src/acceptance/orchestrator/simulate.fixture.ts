/** Runs many histories, each by its seed, and says which seeds break a promise. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { openSqlite } from '../../lib/runs/database.sqlite.ts'
import type { RunDatabase } from '../../lib/runs/database.ts'
import { History, type Parts, startMs } from './history.fixture.ts'
import { World } from './world.fixture.ts'

export interface Broken {
  readonly seed: number
  readonly broken: readonly string[]
}

/** @returns the histories that broke a promise; stops after `most` of them. */
export async function simulate(
  seeds: Iterable<number>,
  { parts, most = 3 }: { readonly parts?: Parts; readonly most?: number } = {},
): Promise<readonly Broken[]> {
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-simulation-'))
  let world = new World(0, startMs)
  const database = await openSqlite(join(folder, 'runs.db'), {
    clock: { now: () => world.now(), sleep: (...a) => world.sleep(...a) },
  })
  const found: Broken[] = []
  try {
    // The machine of a simulation does not lose its power.
    for (const setting of ['synchronous = off', 'wal_autocheckpoint = 1000']) {
      await sql.raw(`pragma ${setting}`).execute(database.db)
    }
    for (const seed of seeds) {
      world = new World(seed, startMs)
      const broken = await new History(world, database, parts).run()
      if (broken.length > 0) found.push({ seed, broken: [...new Set(broken)].slice(0, 5) })
      if (found.length >= most) break
      await empty(database)
    }
    return found
  } finally {
    await database[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
}

async function empty({ db }: RunDatabase): Promise<void> {
  for (const table of ['leases', 'ticks', 'attempts', 'runs'] as const) await db.deleteFrom(table).execute()
}

export const seedsFrom = (first: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, n) => first + n)

/** `LAKE_SIMULATION_SEED=17` tries this one alone; without it, others each time. */
export function seedsToTry(count: number): readonly number[] {
  const { LAKE_SIMULATION_SEED: seed } = process.env
  return seed === undefined ? seedsFrom(Date.now() % 1_000_000_000, count) : [Number(seed)]
}
