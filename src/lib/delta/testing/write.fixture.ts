/** What tests of writes share: a small table, its rows, and another writer who comes in between. */
import { isLakeError } from '../../base/errors.ts'
import type { DuckDb } from '../../duckdb/duckdb.ts'
import type { Row } from '../../duckdb/values.ts'
import { HookedStore } from '../../storage/store.hooked.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import type { HistoryEntry } from '../log/history.ts'
import type { StringMap } from '../protocol/metadata.ts'
import { field, type StructType, structOf } from '../schema/schema.ts'
import { DeltaTable } from '../table.ts'

/** Two rows a day by default, a file each. */
export const daySchema = structOf(field('day', 'date'), field('id', 'long'), field('word', 'string'))

export interface Fixture extends AsyncDisposable {
  readonly table: DeltaTable
  readonly store: MemoryStore
  readonly hooked: HookedStore
}

export async function openFixture(
  duckdb: DuckDb,
  {
    schema = daySchema,
    partitionBy = ['day'],
    properties = {},
  }: { schema?: StructType; partitionBy?: readonly string[]; properties?: StringMap } = {},
): Promise<Fixture> {
  const store = await MemoryStore.open()
  const hooked = new HookedStore(store)
  const table = new DeltaTable({ store: hooked, duckdb })
  await table.createIfMissing({ schema, partitionBy, properties })
  return { table, store, hooked, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
}

/** Rows of the newest version, or of another, in the order of all their columns. */
export async function rowsOf(
  table: DeltaTable,
  options: Parameters<DeltaTable['snapshot']>[0] = {},
): Promise<readonly Row[]> {
  return table.duckdb.use(async (session) => {
    const select = await table.scan(session, await table.snapshot(options))
    return await session.rows(`select * from (${select}) order by all`)
  })
}

/** What the newest commit says of itself. */
export async function newestCommit(table: DeltaTable): Promise<HistoryEntry | undefined> {
  for await (const entry of table.history()) return entry
  return undefined
}

/** Lets `work` come in just before the next commit of whoever writes through `hooked`. */
export function beforeNextCommit(hooked: HookedStore, work: () => Promise<unknown>): void {
  hooked.hooks.before = async (call, key) => {
    if (call !== 'putIfAbsent' || !key.startsWith('_delta_log/')) return
    delete hooked.hooks.before
    await work()
  }
}

/** `CODE: message` of the LakeError that the work ends with. */
export async function failureOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    if (isLakeError(error)) return `${error.code}: ${error.message}`
    throw error
  }
  return 'no failure'
}
