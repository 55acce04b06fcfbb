/** What must be true of a table that writers were killed at. */
import { join } from 'node:path'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { list, text } from '../../../duckdb/sql-text.ts'
import { openLocalStore } from '../../../storage/store.local.ts'
import { DeltaTable } from '../../table.ts'
import { type OwnReplay, replayOwn } from './own-replay.fixture.ts'
import type { crashPoints } from './writer-task.fixture.ts'
import type { Writers } from './writers.fixture.ts'

export interface Verdict {
  readonly faults: readonly string[]
  readonly replay: OwnReplay
  /** `kind name n` of each row, in order. */
  readonly rows: readonly string[]
}

const row = `kind || ' ' || name || ' ' || n::varchar as row`

/** Rows that exactly these versions of the applications leave. */
function expectedRows(applications: ReadonlyMap<string, number>): readonly string[] {
  const rows = new Set<string>()
  const appended: string[] = []
  for (const [application, newest] of applications) {
    const at = application.indexOf('/')
    const [name, kind] = [application.slice(0, at), application.slice(at + 1)]
    if (kind === 'append') {
      for (let n = 1; n <= newest; n++) appended.push(`append ${name} ${n}`, `append ${name} ${n}`)
    } else if (kind === 'insert') {
      for (let n = 1; n <= newest; n++) rows.add(`insert any ${n}`)
    } else rows.add(`${kind} ${name} ${newest}`)
  }
  return [...rows, ...appended].sort()
}

/** @param foreign Rows that others have committed. */
export async function judgeTable(
  path: string,
  acknowledged: ReadonlyMap<string, number>,
  foreign: readonly string[] = [],
): Promise<Verdict> {
  using duckdb: DuckDb = await openDuckDb({ threads: 1 })
  const replay = replayOwn(path)
  const faults = [...replay.faults]
  for (const [application, version] of acknowledged) {
    if ((replay.applications.get(application) ?? 0) < version) {
      faults.push(`${application}: ${version} was acknowledged, and is not there`)
    }
  }
  const table = new DeltaTable({ store: openLocalStore(path), duckdb })
  const rows = await duckdb.use(async (session) => {
    const rowsOf = async (source: string): Promise<string[]> =>
      (await session.rows(`select ${row} from ${source}`)).map((each) => String(each['row'])).sort()
    const files = list(replay.files.map(text))
    const ours = async (): Promise<string[]> =>
      rowsOf(`(${await table.scan(session, await table.snapshot())})`)
    return {
      // All writers may have been killed before they wrote a row, or a version.
      own:
        replay.files.length === 0
          ? []
          : await rowsOf(`read_parquet(${files}, hive_partitioning = true, union_by_name = true)`),
      ours: replay.versions === 0 ? [] : await ours(),
    }
  })
  const expected = [...expectedRows(replay.applications), ...foreign].sort()
  if (rows.own.join() !== expected.join()) faults.push(`rows: ${difference(rows.own, expected)}`)
  if (rows.ours.join() !== expected.join())
    faults.push(`rows by the library: ${difference(rows.ours, expected)}`)
  return { faults, replay, rows: rows.ours }
}

function difference(found: readonly string[], expected: readonly string[]): string {
  const extra = found.filter((each) => !expected.includes(each))
  const lost = expected.filter((each) => !found.includes(each))
  return `${found.length} for ${expected.length}; too many: ${extra.slice(0, 5).join()}; lost: ${lost.slice(0, 5).join()}`
}

export interface Turn {
  /** Where the writer is killed, or after how long. */
  readonly kill: (typeof crashPoints)[number] | undefined
  readonly afterMs: number | undefined
}

/** Two writers at one table, each of which is started again as often as `nextTurn` says how it is to be killed. */
export async function killWriters(
  writers: Writers,
  seed: number,
  nextTurn: () => Turn | undefined,
): Promise<Verdict & { readonly errors: readonly string[]; readonly path: string }> {
  const path = tableIn(writers.folder)
  const errors: string[] = []
  const take = async (name: string): Promise<void> => {
    for (let turn = nextTurn(); turn !== undefined; turn = nextTurn()) {
      const { kill, afterMs } = turn
      const run = await writers.run(
        { path, name, steps: 1_000, ...(kill !== undefined && { kill }) },
        afterMs,
      )
      if (run.end !== 'SIGKILL') errors.push(`${run.end}: ${run.errors}`)
    }
  }
  await Promise.all([take('a'), take('b')])
  const verdict = await judgeTable(path, writers.acknowledged)
  const { versions, orphans } = verdict.replay
  process.stdout.write(
    `kills: ${writers.kills}, named points: ${writers.reached.size}, versions: ${versions}, orphans: ${orphans}, seed ${seed}\n`,
  )
  return { ...verdict, errors, path }
}

export const tableIn = (folder: string): string => join(folder, 'table')
