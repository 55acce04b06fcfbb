import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { openRunStore } from './run-store.ts'
import { describeRunStore } from './runs.contract.ts'

describeRunStore('SQLite', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lake-runs-'))
  return {
    url: `sqlite:${join(dir, 'meta', 'runs.db')}`,
    [Symbol.asyncDispose]: async () => rmSync(dir, { recursive: true, force: true }),
  }
})

describe('openRunStore({ url: "sqlite:…" })', () => {
  let dir: string
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'lake-runs-'))
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  it('refuses a file that is no database, and leaves it as it was', async () => {
    const file = join(dir, 'runs.db')
    writeFileSync(file, 'not a database '.repeat(500))

    await expect(openRunStore({ url: `sqlite:${file}` })).rejects.toSatisfy(
      (error) => isLakeError(error, 'RUNSTORE_REFUSED') && error.message.includes(file),
    )
    expect(readFileSync(file, 'utf8')).toBe('not a database '.repeat(500))
  })

  it('names the folder that cannot be made', async () => {
    writeFileSync(join(dir, 'file'), '')

    await expect(openRunStore({ url: `sqlite:${join(dir, 'file', 'runs.db')}` })).rejects.toSatisfy(
      (error) => isLakeError(error, 'FILE_UNWRITABLE') && error.message.includes(dir),
    )
  })

  it.runIf(process.platform === 'linux')('says so, and ends, where no folder can be', async () => {
    await expect(openRunStore({ url: 'sqlite:/proc/none/below/runs.db' })).rejects.toSatisfy(
      (error) => isLakeError(error, 'FILE_UNWRITABLE') && error.message.includes('/proc/none/below'),
    )
  })

  it('refuses a store that a newer release has made', async () => {
    const file = join(dir, 'runs.db')
    await (await openRunStore({ url: `sqlite:${file}` }))[Symbol.asyncDispose]()
    const database = new Database(file)
    database.exec('insert into schema_version values (99)')
    database.close()

    await expect(openRunStore({ url: `sqlite:${file}` })).rejects.toThrow('got 99')
  })

  it('refuses an integer that a number cannot hold rather than round it', async () => {
    const file = join(dir, 'runs.db')
    await using store = await openRunStore({ url: `sqlite:${file}` })
    const outcome = await store.leases.acquire('batch')
    if (outcome.kind !== 'acquired') throw new Error('the lease is held')
    const recorder = store.runs.recorder({ dag: 'd', trigger: 'manual', lease: outcome.lease })
    const id = await recorder.runStarted({ nodes: ['a'], startedMs: 1 })
    const database = new Database(file)
    database.exec('update attempts set rows_in = 9007199254740993')
    database.close()

    await expect(store.runs.show(id)).rejects.toThrow('safe integer')
  })

  it('says why SQLite itself has rolled back, as it does on a full disk', async () => {
    const file = join(dir, 'runs.db')
    await using store = await openRunStore({ url: `sqlite:${file}` })
    const database = new Database(file)
    database.exec(`create trigger full before insert on leases begin
      select raise(rollback, 'no room left'); end`)
    database.close()

    await expect(store.leases.acquire('batch')).rejects.toThrow('no room left')
  })

  it('keeps the history where the write-ahead log is lost', async () => {
    const file = join(dir, 'runs.db')
    await using store = await openRunStore({ url: `sqlite:${file}` })
    const outcome = await store.leases.acquire('batch')
    if (outcome.kind !== 'acquired') throw new Error('the lease is held')
    const recorder = store.runs.recorder({ dag: 'd', trigger: 'manual', lease: outcome.lease })
    const id = await recorder.runStarted({ nodes: ['a'], startedMs: 1 })
    copyFileSync(file, join(dir, 'copy.db'))

    await using copy = await openRunStore({ url: `sqlite:${join(dir, 'copy.db')}` })

    expect((await copy.runs.latest({}))?.id).toBe(id)
  })

  it('brings the candidates of an older store up to date, in which there were none', async () => {
    const url = `sqlite:${join(dir, 'runs.db')}`
    await (await openRunStore({ url }))[Symbol.asyncDispose]()
    const database = new Database(join(dir, 'runs.db'))
    database.exec(
      'drop table candidates; create table candidates (run_id bigint, table_name text, content text)',
    )
    database.exec('delete from schema_version where version > 2')
    database.close()

    await using store = await openRunStore({ url })
    await store.candidates.keep({ runId: 1, table: 't', rows: 2, content: {} })

    expect(await store.candidates.list()).toMatchObject([{ runId: 1, table: 't', rows: 2 }])
  })

  it('waits for a writer that holds the file for a while', async () => {
    const file = join(dir, 'runs.db')
    await using store = await openRunStore({ url: `sqlite:${file}` })
    const writer = new Database(file)
    writer.exec('begin immediate')

    const acquiring = store.leases.acquire('batch')
    setTimeout(() => {
      writer.exec('commit')
      writer.close()
    }, 300)

    expect((await acquiring).kind).toBe('acquired')
  })
})
