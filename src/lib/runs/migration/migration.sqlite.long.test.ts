import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openSqlite } from '../database.sqlite.ts'
import { schemaVersion } from '../schema.ts'
import { describeMigration, rowsOf } from './migration.contract.ts'

const copiesIn = (dir: string): readonly string[] =>
  readdirSync(dir).filter((name) => /^runs\.v\d+-to-v\d+\.\d{4}-\d\d-\d\dT\d{6}Z\.db$/.test(name))

describeMigration('SQLite', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lake-migration-'))
  const path = join(dir, 'runs.db')
  return {
    url: `sqlite:${path}`,
    openAt: (to) => openSqlite(path, { to }),
    copies: (tables) =>
      Promise.all(
        copiesIn(dir).map(async (name) => {
          const [, from] = /\.v(\d+)-/.exec(name) ?? []
          await using copy = await openSqlite(join(dir, name), { to: Number(from) })
          return await rowsOf(copy, tables)
        }),
      ),
    [Symbol.asyncDispose]: async () => rmSync(dir, { recursive: true, force: true }),
  }
})

it('a copy is as private as the store, and one that was cut short goes', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lake-migration-'))
  try {
    const path = join(dir, 'runs.db')
    await (await openSqlite(path, { to: 1 }))[Symbol.asyncDispose]()
    chmodSync(path, 0o600)
    writeFileSync(join(dir, `runs.v1-to-v${schemaVersion}.2026-01-01T000000Z.db.partial`), 'half')

    await (await openSqlite(path))[Symbol.asyncDispose]()

    const [copy = 'none'] = copiesIn(dir)
    expect(statSync(join(dir, copy)).mode & 0o777).toBe(0o600)
    expect(readdirSync(dir).filter((name) => name.endsWith('.partial'))).toEqual([])
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
