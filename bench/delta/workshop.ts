/** A folder of tables to measure on, gone afterwards. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFrom, DeltaTable } from '../../src/lib/delta/index.ts'
import { type DuckDb, type DuckDbSession, openDuckDb } from '../../src/lib/duckdb/duckdb.ts'
import { openLocalStore } from '../../src/lib/storage/store.local.ts'
import { secondsOf } from '../case.ts'

export interface Workshop {
  readonly folder: string
  readonly duckdb: DuckDb
  readonly session: DuckDbSession
  /** The table in `name`, be it there or not. */
  table(name: string): DeltaTable
}

export async function inWorkshop<T>(work: (workshop: Workshop) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-bench-delta-'))
  const duckdb = await openDuckDb({ tempDirectory: join(folder, 'spill') })
  const session = await duckdb.connect()
  const table = (name: string): DeltaTable =>
    new DeltaTable({ store: openLocalStore(join(folder, name)), duckdb })
  try {
    return await work({ folder, duckdb, session, table })
  } finally {
    session[Symbol.dispose]()
    duckdb[Symbol.dispose]()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Rows of events: `id` and `user_id` are spread over all files. */
export function events(count: number, from = 0): string {
  return [
    'select i as id, (hash(i) % 100000)::bigint as user_id,',
    "['click', 'login', 'purchase', 'logout'][1 + (hash(i + 1) % 4)::integer] as event_type,",
    "'/page/' || (hash(i + 2) % 500) as page,",
    "timestamptz '2026-01-01 00:00:00+00' + to_milliseconds(i * 80) as at,",
    '(hash(i + 3) % 100000)::double / 100 as amount',
    `from range(${from}, ${from + count}) as t(i)`,
  ].join(' ')
}

/** A table of `count` events, in files of a million rows, that delta-rs can write too. */
export async function eventTable(
  { session, table }: Workshop,
  name: string,
  count: number,
): Promise<DeltaTable> {
  const { append } = await import('../../src/lib/delta/index.ts')
  const made = table(name)
  const step = Math.min(count, 1_000_000)
  await createFrom(
    made,
    { session, select: events(step) },
    { properties: { 'delta.enableInCommitTimestamps': 'false' } },
  )
  for (let from = step; from < count; from += step) {
    await append(made, { session, select: events(step, from) })
  }
  return made
}

/** The seconds of the median run. */
export async function medianSeconds(times: number, work: () => Promise<unknown>): Promise<number> {
  const seconds: number[] = []
  for (let run = 0; run < times; run++) seconds.push(await secondsOf(work))
  return medianOf(seconds)
}

/** The same of two that run in turn, so that a machine which is slow for a while is so for both. */
export async function medianSecondsInTurn(
  times: number,
  one: () => Promise<unknown>,
  other: () => Promise<unknown>,
): Promise<readonly [number, number]> {
  const [ofOne, ofOther]: [number[], number[]] = [[], []]
  for (let run = 0; run < times; run++) {
    ofOne.push(await secondsOf(one))
    ofOther.push(await secondsOf(other))
  }
  return [medianOf(ofOne), medianOf(ofOther)]
}

function medianOf(seconds: readonly number[]): number {
  return seconds.toSorted((a, b) => a - b)[Math.floor(seconds.length / 2)] ?? Number.NaN
}
