/** What bringing an older run store up to date must do in any database. */
import { type ChildProcess, spawn } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { sql } from 'kysely'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type BuiltModules, buildModules } from '../../base/built.fixture.ts'
import type { RunDatabase } from '../database.ts'
import { openRunStore } from '../run-store.ts'
import { type Schema, schemaVersion } from '../schema.ts'

export interface FreshStore extends AsyncDisposable {
  readonly url: string
  /** As a release opens it that writes this version of the schema. */
  openAt(version: number): Promise<RunDatabase>
  /** The copies that there are of the store, as the rows of their tables. */
  copies(tables: readonly (keyof Schema)[]): Promise<readonly Rows[]>
}

type Rows = Readonly<Record<string, readonly unknown[]>>

/** Tables that have rows, by the version from which on they have. */
const filledTables = (version: number): readonly (keyof Schema)[] => [
  'runs',
  'attempts',
  'ticks',
  'leases',
  ...(version >= 2 ? (['ledger', 'releases', 'check_results'] as const) : []),
  ...(version >= 3 ? (['candidates'] as const) : []),
]

export async function rowsOf(
  database: RunDatabase,
  tables: readonly (keyof Schema)[],
  nameOf: (table: string) => string = (table) => table,
): Promise<Rows> {
  const found: Record<string, readonly unknown[]> = {}
  for (const table of tables) {
    const { rows } = await sql`select * from ${sql.table(nameOf(table))} order by 1, 2`.execute(database.db)
    found[table] = rows
  }
  return found
}

async function fill({ db }: RunDatabase, version: number): Promise<void> {
  const hash = 'h'.repeat(64)
  for (const id of [1, 2]) {
    await sql`insert into runs (id, token, dag, ${sql.ref('trigger')}, state, parameters, started_ms, owner, lease, fencing_token)
      values (${id}, ${`t${id}`}, 'batch', 'manual', 'succeeded', '{"ä":1}', 9007199254740991, 'o', 'batch', ${id})`.execute(
      db,
    )
    await sql`insert into attempts (run_id, node, attempt, position, state, error) values (${id}, 'n', 1, 0, 'failed', 'why')`.execute(
      db,
    )
  }
  await sql`insert into ticks values ('daily', 1, 'schedule', 0, 2, 3)`.execute(db)
  await sql`insert into leases values ('batch', null, 7, 1, 2)`.execute(db)
  if (version < 2) return
  await sql`insert into ledger values (1, 'l', 1, 's', 1, '{}', ${hash}, ${hash})`.execute(db)
  await sql`insert into releases values (4, 'r', 1, 5, '{}')`.execute(db)
  await sql`insert into check_results values (6, 'c', 1, 1, 'silver/events', 'unique', '', 'passed', '{}')`.execute(
    db,
  )
  if (version < 3) return
  await sql`insert into candidates values (1, 'silver/events', 1, 2, '{}', null)`.execute(db)
}

/** Without the columns that the older store did not have. */
const asBefore = (before: Rows, after: Rows): Rows =>
  Object.fromEntries(
    Object.entries(after).map(([table, rows]) => {
      const columns = Object.keys(before[table]?.[0] ?? {})
      return [
        table,
        rows.map((row) =>
          Object.fromEntries(Object.entries(row ?? {}).filter(([name]) => columns.includes(name))),
        ),
      ]
    }),
  )

const earlier = Array.from({ length: schemaVersion - 1 }, (_, at) => at + 1)

export function describeMigration(adapter: string, makeStore: () => Promise<FreshStore>): void {
  let built: BuiltModules
  beforeAll(async () => {
    built = await buildModules(['lib/runs/run-store.ts'])
  })

  let store: FreshStore
  const children: ChildProcess[] = []
  beforeEach(async () => {
    store = await makeStore()
  })
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    await store[Symbol.asyncDispose]()
  })

  /** A process of its own that opens the store and is killed at its n-th statement; says how many there were. */
  async function openInChild(killAt = Number.POSITIVE_INFINITY): Promise<string> {
    const module = pathToFileURL(built.fileOf('lib/runs/run-store.ts')).href
    const kysely = import.meta.resolve('kysely')
    const script = `import { DefaultQueryExecutor } from ${JSON.stringify(kysely)}
      import { openRunStore } from ${JSON.stringify(module)}
      const base = Object.getPrototypeOf(DefaultQueryExecutor.prototype)
      const execute = base.executeQuery
      let count = 0
      base.executeQuery = function (...query) {
        if (++count === ${killAt}) process.kill(process.pid, 'SIGKILL')
        return execute.apply(this, query)
      }
      const store = await openRunStore({ url: ${JSON.stringify(store.url)} })
      await store[Symbol.asyncDispose]()
      console.log(count)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(child)
    let said = ''
    child.stdout.on('data', (bytes) => {
      said += String(bytes)
    })
    await new Promise((resolve) => child.once('close', resolve))
    return said.trim()
  }

  async function made(version: number): Promise<Rows> {
    await using older = await store.openAt(version)
    await fill(older, version)
    return await rowsOf(older, filledTables(version))
  }
  async function now(version: number): Promise<Rows> {
    await (await openRunStore({ url: store.url }))[Symbol.asyncDispose]()
    await using newer = await store.openAt(schemaVersion)
    const { rows } = await sql<{ version: number }>`select version from schema_version order by 1`.execute(
      newer.db,
    )
    expect(rows.map((row) => Number(row.version))).toEqual([...earlier, schemaVersion])
    return await rowsOf(newer, filledTables(version))
  }

  describe(`migration contract: ${adapter}`, () => {
    it('makes no copy of a new store', async () => {
      await now(1)

      expect(await store.copies([])).toEqual([])
    })

    it.each(earlier)('keeps the rows of version %d, and a copy of what was there', async (version) => {
      const before = await made(version)

      const after = await now(version)

      expect(asBefore(before, after)).toEqual(before)
      expect(await store.copies(filledTables(version))).toEqual([before])
    })

    it('is refused by an older release, which names both versions and what to do', async () => {
      await (await openRunStore({ url: store.url }))[Symbol.asyncDispose]()

      await expect(store.openAt(schemaVersion - 1)).rejects.toMatchObject({
        code: 'RUNSTORE_REFUSED',
        message: expect.stringContaining(
          `expected schema version ${schemaVersion - 1} or older, got ${schemaVersion}`,
        ),
        details: { fault: 'newer-schema' },
      })
    })

    it('is made once by several processes that start at once', async () => {
      const before = await made(1)

      const said = await Promise.all([openInChild(), openInChild(), openInChild(), openInChild()])

      expect(said.every((count) => /^\d+$/.test(count))).toBe(true)
      expect(asBefore(before, await now(1))).toEqual(before)
      expect(await store.copies(filledTables(1))).toEqual([before])
    })

    it('goes on after a process that was killed in its midst', { timeout: 120_000 }, async () => {
      await made(1)
      const count = Number(await openInChild())
      for (const part of [0.05, 0.2, 0.4, 0.6, 0.8, 1]) {
        await store[Symbol.asyncDispose]()
        store = await makeStore()
        const before = await made(1)

        expect(await openInChild(Math.ceil(count * part))).toBe('')

        expect(asBefore(before, await now(1))).toEqual(before)
        expect(await store.copies(filledTables(1))).toEqual([before])
      }
    })
  })
}
