/**
 * Two operations of which one comes in just before the other's commit. Whatever becomes of the later one, it is what
 * would have become of it had it begun after the other.
 */
import { isLakeError } from '../../../base/errors.ts'
import type { DuckDb } from '../../../duckdb/duckdb.ts'
import { HookedStore } from '../../../storage/store.hooked.ts'
import type { MemoryStore } from '../../../storage/store.memory.ts'
import { DeltaTable } from '../../table.ts'
import { newestCommit } from '../write.fixture.ts'
import { copyOf } from './faulty-store.fixture.ts'
import { faultOperations, stateOf } from './operations.fixture.ts'

/** Row-level writes: all pairs of them are in `../write/pairs.test.ts`. */
const writes = [
  'append',
  'append with new columns',
  'overwrite of the table',
  'overwrite by a condition',
  'delete',
  'update',
  'merge',
  'insertIfAbsent',
] as const

const others = [
  'restore',
  'addColumns',
  'renameColumn',
  'dropColumn',
  'widenColumn',
  'setNotNull',
  'addConstraint',
  'setProperties',
  'optimize',
  'checkpoint',
] as const

export const names = [...writes, ...others]
export type Name = (typeof names)[number]

/**
 * What becomes of the operation of a line when that of the column comes between.
 *
 * - `=` its commit follows the other one as it is; `+` it is planned again; `-` it has nothing to commit then
 * - `x` it is refused, as after the other one
 * - `.` one of them is a checkpoint, which commits nothing
 */
const expected: Readonly<Record<Name, string>> = {
  append: '        +xxx++++=.',
  'append with new columns': '        ++++++++=.',
  'overwrite of the table': '        +xxx+++x+.',
  'overwrite by a condition': '        +xxx+++x+.',
  delete: '        +++++++x+.',
  update: '        -+xx+++x+.',
  merge: '        +xx++++x+.',
  insertIfAbsent: '        +xxx++++=.',
  restore: '++++++++-++++++x+.',
  addColumns: '=+======+x++++++=.',
  renameColumn: '=+======++xx++++=.',
  dropColumn: '=+======++xx++++=.',
  widenColumn: '=+======++++-+++=.',
  setNotNull: '+++++++++++++-++=.',
  addConstraint: '++++++++++++++-+=.',
  setProperties: '=+======+++++++-=.',
  optimize: '=+-++++=-+++++++-.',
  checkpoint: '..................',
}

export interface Outcome {
  readonly mark: string
  /** What is not as after the other. */
  readonly wrong: string | undefined
}

async function run(name: Name, table: DeltaTable): Promise<string> {
  try {
    await faultOperations[name]?.run(table, {}, table)
    return 'done'
  } catch (error) {
    return isLakeError(error) ? error.code : String(error)
  }
}

export async function interleave(
  duckdb: DuckDb,
  base: MemoryStore,
  late: Name,
  early: Name,
): Promise<Outcome> {
  await using store = await copyOf(base)
  await using serial = await copyOf(base)
  const other = new DeltaTable({ store: serial, duckdb })
  const earlyAlone = await run(early, other)
  const lateAfter = await run(late, new DeltaTable({ store: serial, duckdb }))

  const hooked = new HookedStore(store)
  let between = 'nothing'
  hooked.hooks.before = async (call, key) => {
    if ((call !== 'putIfAbsent' && call !== 'put') || !key.startsWith('_delta_log/')) return
    delete hooked.hooks.before
    between = await run(early, new DeltaTable({ store, duckdb }))
  }
  const start = (await new DeltaTable({ store, duckdb }).snapshot()).version
  const outcome = await run(late, new DeltaTable({ store: hooked, duckdb }))

  const table = new DeltaTable({ store, duckdb })
  const { version } = await table.snapshot()
  const readVersion = (await newestCommit(table))?.readVersion
  const same = (await stateOf(table)) === (await stateOf(other))
  const wrong =
    outcome !== lateAfter || between !== earlyAlone || !same
      ? `${late} after ${early}: ${outcome}, and one after the other ${lateAfter}; ${between}, alone ${earlyAlone}; ${same ? 'the same' : 'another'} state`
      : undefined
  const mark = markOf(outcome, version - start, readVersion === start, early, late)
  return { mark, wrong }
}

/** The pairs that are not both writes of rows. */
export function pairsOf(some: readonly Name[]): readonly (readonly [Name, Name])[] {
  const isWrite = (name: Name): boolean => writes.some((each) => each === name)
  return some.flatMap((late) =>
    some.filter((early) => !(isWrite(late) && isWrite(early))).map((early) => [late, early] as const),
  )
}

export function expectedMark(late: Name, early: Name): string {
  return expected[late].charAt(names.indexOf(early))
}

function markOf(outcome: string, commits: number, isAsPlanned: boolean, early: Name, late: Name): string {
  if (outcome !== 'done') return 'x'
  if (early === 'checkpoint' || late === 'checkpoint') return '.'
  if (commits < 2) return '-'
  return isAsPlanned ? '=' : '+'
}
