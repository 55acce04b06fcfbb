/**
 * One operation with a fault at a call of its store, and what must hold for whoever comes after: the table is as
 * it was before or as it is after, older versions are as they were, and what was acknowledged is there.
 */
import { type Clock, ManualClock } from '../../../base/clock.ts'
import { isLakeError } from '../../../base/errors.ts'
import type { DuckDb } from '../../../duckdb/duckdb.ts'
import { MemoryStore } from '../../../storage/store.memory.ts'
import type { ObjectStore } from '../../../storage/store.ts'
import { DeltaTable } from '../../table.ts'
import { copyOf, type Fault, FaultyStore } from './faulty-store.fixture.ts'
import { buildTable, type FaultOperation, stateOf } from './operations.fixture.ts'

const dayMs = 86_400_000
const missing = 'no table'

export interface Trial {
  readonly name: string
  readonly operation: FaultOperation
  readonly base: MemoryStore
  readonly source: DeltaTable
  readonly clock: Clock
  /** Versions that are to stay as they are. */
  readonly older: ReadonlyMap<number, string>
  readonly before: string
  readonly after: string
  /** How many calls a run without faults makes, and which of them write. */
  readonly calls: number
  readonly writes: readonly number[]
}

export interface Bench {
  readonly duckdb: DuckDb
  readonly built: MemoryStore
  readonly source: DeltaTable
}

export async function openBench(duckdb: DuckDb): Promise<Bench> {
  const built = await MemoryStore.open()
  const source = new DeltaTable({ store: built, duckdb })
  await buildTable(source)
  return { duckdb, built, source }
}

const once = { transaction: { appId: 'trial', version: 7 } }

const stateOrNone = async (table: DeltaTable, version?: number): Promise<string> =>
  (await table.exists()) ? stateOf(table, version) : missing

/** The operation without faults. */
export async function openTrial(bench: Bench, name: string, operation: FaultOperation): Promise<Trial> {
  const { duckdb, source } = bench
  const clock = new ManualClock(Date.now() + (operation.ageDays ?? 0) * dayMs)
  const base = operation.makes === true ? await MemoryStore.open() : await copyOf(bench.built)
  if (operation.ageDays !== undefined) await new DeltaTable({ store: base, duckdb }).checkpoint()
  const reader = new DeltaTable({ store: base, duckdb })
  const older = new Map<number, string>()
  const before = await stateOrNone(reader)
  if (operation.makes !== true) older.set((await reader.snapshot()).version, before)
  if (operation.makes !== true && operation.ageDays === undefined) older.set(1, await stateOf(reader, 1))
  await using store = await copyOf(base)
  const faulty = new FaultyStore(store)
  await operation.run(new DeltaTable({ store: faulty, duckdb, clock }), once, source)
  const after = await stateOf(new DeltaTable({ store, duckdb }))
  const { calls, writes } = faulty
  return { name, operation, base, source, clock, older, before, after, calls, writes: [...writes] }
}

/** @returns What does not hold, or nothing. */
export async function faultAt(
  duckdb: DuckDb,
  trial: Trial,
  kind: Fault,
  at: number,
): Promise<readonly string[]> {
  const { name, operation, base, source, clock, older, before, after } = trial
  await using store = await copyOf(base)
  const faulty = new FaultyStore(store, { kind, at })
  const wrong: string[] = []
  const where = `${name}, ${kind} at call ${at}`
  const open = (through: ObjectStore): DeltaTable => new DeltaTable({ store: through, duckdb, clock })
  let acknowledged = true
  try {
    await operation.run(open(faulty), once, source)
  } catch (error) {
    if (!isLakeError(error)) wrong.push(`${where}: ${String(error)} is no LakeError`)
    acknowledged = false
  }

  const found = await stateOrNone(open(store)).catch(String)
  if (found !== before && found !== after) wrong.push(`${where}: in between: ${found}`)
  if (acknowledged && found !== after) wrong.push(`${where}: acknowledged, and not there`)
  for (const [version, was] of older) {
    const now = await stateOf(open(store), version).catch(String)
    if (now !== was) wrong.push(`${where}: version ${version} is another: ${now}`)
  }

  faulty.mend()
  const isDone = found === after && found !== before
  if (operation.isOnce === true || operation.makes === true || !isDone) {
    await operation.run(open(faulty), once, source).catch((error: unknown) => {
      // What comes late is found to be done already: a name is taken, a constraint gone.
      const isRefused = operation.isOnce !== true && (kind === 'late' || isDone)
      if (!isRefused) wrong.push(`${where}: again: ${String(error)}`)
    })
    const again = await stateOrNone(open(store)).catch(String)
    if (again !== after) wrong.push(`${where}: after once more: ${again}`)
  }
  return wrong
}
