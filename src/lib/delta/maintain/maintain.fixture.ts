/** What tests of maintenance share: a table whose clock and files' ages they own, and faults at every call. */
import { ManualClock } from '../../base/clock.ts'
import { LakeError } from '../../base/errors.ts'
import type { DuckDb } from '../../duckdb/duckdb.ts'
import { HookedStore } from '../../storage/store.hooked.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import { append } from '../change/append.ts'
import type { StringMap } from '../protocol/metadata.ts'
import type { StructType } from '../schema/schema.ts'
import { DeltaTable } from '../table.ts'
import { daySchema } from '../testing/write.fixture.ts'

export const dayMs = 86_400_000
/** Long ago, so that a file that the store has dated itself is newer than the clock. */
export const beginMs = Date.UTC(2020, 0, 1, 12)

export interface AgedFixture extends AsyncDisposable {
  readonly store: MemoryStore
  readonly hooked: HookedStore
  readonly clock: ManualClock
  readonly table: DeltaTable
  /** Another writer of the same table. */
  readonly other: DeltaTable
  /** Gives files written since the last time the time of the clock. */
  stamp(): void
  /** The clock goes on by so many days, after `stamp`. */
  passDays(days: number): void
}

export async function openAged(
  duckdb: DuckDb,
  {
    schema = daySchema,
    partitionBy = ['day'],
    properties = {},
  }: { schema?: StructType; partitionBy?: readonly string[]; properties?: StringMap } = {},
): Promise<AgedFixture> {
  const fixture = over(duckdb, await MemoryStore.open(), new ManualClock(beginMs))
  // File times are those of the test's own machine.
  const timed = { 'delta.enableInCommitTimestamps': 'true', ...properties }
  await fixture.table.createIfMissing({ schema, partitionBy, properties: timed })
  fixture.stamp()
  return fixture
}

function over(duckdb: DuckDb, store: MemoryStore, clock: ManualClock): AgedFixture {
  const hooked = new HookedStore(store)
  const stamp = (): void => {
    for (const [key, { bytes, modifiedMs }] of store.files) {
      if (modifiedMs > clock.now()) store.files.set(key, { bytes, modifiedMs: clock.now() })
    }
  }
  return {
    store,
    hooked,
    clock,
    table: new DeltaTable({ store: hooked, duckdb, clock }),
    other: new DeltaTable({ store, duckdb, clock }),
    stamp,
    passDays: (days) => {
      stamp()
      clock.advance(days * dayMs)
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}

export async function appendRows(table: DeltaTable, select: string): Promise<void> {
  using session = await table.duckdb.connect()
  await append(table, { session, select })
}

/** `kill`: that call and all after it are not made, as of a process that is killed. */
const faults = [
  { kind: 'fault', when: 'before' },
  { kind: 'fault', when: 'after' },
  { kind: 'kill', when: 'before' },
] as const

/**
 * Runs `work` on copies of a table, each with a fault at another call of its store: every second one, the kinds of fault
 * in turn. `check` is given the table as a new process finds it. All kinds at every call: `faults/calls.long.test.ts`.
 *
 * @returns How many calls there were.
 */
export async function atEveryCall(
  duckdb: DuckDb,
  { store, clock }: AgedFixture,
  work: (table: DeltaTable) => Promise<unknown>,
  check: (found: AgedFixture) => Promise<void>,
): Promise<number> {
  for (let call = 0; ; call += 2) {
    const { kind, when } = faults[(call / 2) % faults.length] ?? faults[0]
    await using copy = over(duckdb, await copyOf(store), new ManualClock(clock.now()))
    let calls = 0
    copy.hooked.hooks[when] = () => {
      const at = calls++
      if (at === call || (kind === 'kill' && at > call)) throw new LakeError('STORE_UNAVAILABLE', 'Fault')
    }
    await work(copy.table).catch(() => undefined)
    delete copy.hooked.hooks[when]
    if (calls <= call) return calls
    await check(over(duckdb, copy.store, copy.clock))
  }
}

async function copyOf(store: MemoryStore): Promise<MemoryStore> {
  const copy = await MemoryStore.open()
  for (const [key, stored] of store.files) copy.files.set(key, stored)
  return copy
}
