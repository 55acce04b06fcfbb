import { copyFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DeltaTable } from '../../lib/delta/index.ts'
import { openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { openLocalStore } from '../../lib/storage/store.local.ts'
import { type CliHome, openCliHome } from '../cli.fixture.ts'

let home: CliHome
beforeAll(async () => {
  home = await openCliHome()
})
afterAll(() => home[Symbol.asyncDispose]())

async function file(name: string, content: string): Promise<string> {
  const path = join(home.path, name)
  await writeFile(path, content)
  return path
}

/** The JSON document that the command wrote. */
async function lake(...argv: readonly string[]): Promise<unknown> {
  const { exitCode, stdout, stderr } = await home.lake(...argv, '--json')
  expect(stderr).toBe('')
  expect(exitCode).toBe(0)
  return JSON.parse(stdout)
}

async function rows(table: string, ...flags: readonly string[]): Promise<readonly unknown[]> {
  const { stdout } = await home.lake('table', 'read', table, ...flags, '--json')
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown)
    .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

const numbered = (...ids: readonly number[]): string =>
  `code,day,n\n${ids.map((id) => `0${id},2026-01-0${id},${id}\n`).join('')}`

const row = (id: number, n: number = id): object => ({ code: `0${id}`, day: `2026-01-0${id}`, n })

async function made(name: string, ...ids: readonly number[]): Promise<string> {
  const table = join(home.path, name)
  // Of a CSV file alone a code would be a number: the first row says what it is.
  const first = await file('first.ndjson', '{"code":"x","day":"2026-01-01","n":0}\n')
  await lake('table', 'append', table, '--from', first, '--partition-by', 'day')
  await lake('table', 'overwrite', table, '--from', await file('rows.csv', numbered(...ids)))
  return table
}

/** So many copies of the first file, in one commit. */
async function addCopies(path: string, count: number): Promise<void> {
  using duckdb = await openDuckDb({ threads: 1 })
  const table = new DeltaTable({ store: openLocalStore(path), duckdb })
  const snapshot = await table.snapshot()
  const [file] = snapshot.files
  if (file === undefined) throw new Error('Expected a file')
  const add = Array.from({ length: count }, (_, n) => ({
    ...file,
    path: `${dirname(file.path)}/${n}.parquet`,
  }))
  for (const copy of add) await copyFile(join(path, file.path), join(path, copy.path))
  await table.commit(snapshot, { add, reads: { kind: 'none' }, operation: { name: 'WRITE' } })
}

describe('lake table append', () => {
  it('makes the table, casts without loss, and writes a transaction once', async () => {
    const table = await made('appended', 1, 2)
    const more = await file('more.csv', numbered(3))
    const argv = ['table', 'append', table, '--from', more, '--txn', 'nightly:7'] as const

    expect(await lake(...argv)).toMatchObject({
      kind: 'committed',
      version: 2,
      metrics: { numOutputRows: 1 },
    })
    expect(await lake(...argv)).toMatchObject({ kind: 'repeated', version: 2 })
    expect(await rows(table)).toEqual([row(1), row(2), row(3)])
    expect(await lake('table', 'show', table)).toMatchObject({
      partitionColumns: ['day'],
      transactions: { nightly: 7 },
    })
  })

  it('takes a packed list of JSON, and keeps its texts', async () => {
    const table = join(home.path, 'listed')
    const packed = join(home.path, 'rows.json.gz')
    await writeFile(packed, gzipSync('[{"id":"007","day":"01/02/2024"},\n {"id":"0x1F","note":1}]'))

    await lake('table', 'append', table, '--from', packed)

    const { stdout } = await home.lake('table', 'read', table, '--json')
    expect(stdout).toBe('{"id":"007","day":"01/02/2024","note":null}\n{"id":"0x1F","day":null,"note":1}\n')
  })

  it('names line and column of what it refuses, and makes no table', async () => {
    const table = join(home.path, 'unmade')
    const wrong = await file('wrong.csv', 'a,b\n1,2,x\n3,4,y\n')

    const { exitCode, stderr } = await home.lake('table', 'append', table, '--from', wrong)

    expect(exitCode).toBe(1)
    expect(stderr.trimEnd().split('\n')).toEqual([
      expect.stringContaining('wrong.csv, line 2: CSV: expected 2 fields as in the header, got 3'),
      expect.stringContaining('Nothing was written'),
    ])
    expect((await home.lake('table', 'read', table)).exitCode).toBe(2)
  })

  it('adds columns where it is asked to, and writes nothing where rows do not fit', async () => {
    const table = await made('merged', 1)
    const wider = await file('wider.ndjson', '{"code":"02","day":"2026-01-02","n":2,"note":"new"}\n')

    const refused = await home.lake('table', 'append', table, '--from', wider)
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toContain('not in the table: note')
    await lake('table', 'append', table, '--from', wider, '--merge-schema')
    expect(await rows(table)).toEqual([
      { ...row(1), note: null },
      { ...row(2), note: 'new' },
    ])
  })
})

describe('lake table overwrite, delete, update and merge', () => {
  it('replace what they are told to, and say what they did', async () => {
    const table = await made('changed', 1, 2, 3, 4)

    await lake('table', 'overwrite', table, '--from', await file('a.csv', numbered(2)), '--where', 'n < 3')
    expect(await rows(table)).toEqual([row(2), row(3), row(4)])
    expect(await lake('table', 'delete', table, '--where', "code = '04'")).toMatchObject({
      metrics: { numDeletedRows: 1 },
    })
    expect(await lake('table', 'update', table, '--set', 'n = n * 10', '--where', 'n = 3')).toMatchObject({
      metrics: { numUpdatedRows: 1 },
    })
    expect(await rows(table)).toEqual([row(2), row(3, 30)])
    const source = await file('b.csv', 'code,day,n\n02,2026-01-02,20\n05,2026-01-05,5\n')
    await lake('table', 'merge', table, '--from', source, '--on', 't.code = s.code and t.n < s.n')
    expect(await rows(table)).toEqual([row(2, 20), row(3, 30), row(5)])
    await lake(
      'table',
      'merge',
      table,
      '--from',
      source,
      '--on',
      't.code = s.code',
      '--when-matched',
      'delete if t.n = 5',
      '--when-matched',
      'update',
      '--set',
      'n = t.n + s.n',
      '--when-not-matched',
      'ignore',
      '--when-not-matched-by-source',
      'delete',
    ) // prettier-ignore
    expect(await rows(table)).toEqual([row(2, 40)])
    expect(await lake('table', 'history', table)).toMatchObject(
      ['MERGE', 'MERGE', 'UPDATE', 'DELETE', 'WRITE', 'WRITE', 'CREATE TABLE AS SELECT'].map((operation) => ({
        operation,
      })),
    )
  })

  it.each([
    ['delete', [], 'either --where EXPRESSION or --all'],
    ['delete', ['--all', '--where', 'true'], 'either --where EXPRESSION or --all'],
    ['update', ['--set', 'n', '--all'], 'a column and its value'],
    [
      'merge',
      ['--from', 'x.csv', '--on', 'true', '--when-matched', 'insert'],
      'Expected update or delete or ignore',
    ],
    ['append', ['--from', 'rows.txt'], 'ends in .parquet, .csv, .ndjson or .json'],
    ['append', ['--from', 'none.csv'], 'no such file'],
    ['append', ['--from', 'rows.csv', '--txn', 'x'], 'an application and its version'],
  ])('%s %j is a fault of usage', async (verb, flags, words) => {
    await file('rows.txt', '')
    await file('rows.csv', numbered(1))
    const table = join(home.path, 'misused')
    await home.lake('table', 'append', table, '--from', join(home.path, 'rows.csv'))
    const argv = flags.map((flag) => (/^(?:rows|none)\./.test(flag) ? join(home.path, flag) : flag))

    const { exitCode, stderr } = await home.lake('table', verb, table, ...argv)

    expect(stderr).toContain(words)
    expect(exitCode).toBe(2)
  })

  it('add the columns that merged rows bring where they are told to', async () => {
    const table = await made('grown', 1)
    const source = await file('grown.csv', 'code,note\n01,seen\n02,new\n')
    const argv = ['table', 'merge', table, '--from', source, '--on', 't.code = s.code'] as const

    const refused = await home.lake(...argv)
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toContain('no column day, n')
    await lake(...argv, '--merge-schema')

    expect(await rows(table)).toEqual([
      { ...row(1), note: 'seen' },
      { code: '02', day: null, n: null, note: 'new' },
    ])
  })

  it('leave the tables of the platform alone without --force', async () => {
    await home.lake('produce', '--seed', '7', '--count', '50', '--history-days', '1')
    await home.lake('land', '--drain')

    const refused = await home.lake('table', 'delete', 'bronze/events', '--all')

    expect(refused.exitCode).toBe(2)
    expect(refused.stderr).toContain('--force')
    expect(await rows('bronze/events', '--limit', '1')).toHaveLength(1)
    expect(await lake('table', 'delete', 'bronze/events', '--all', '--force')).toMatchObject({
      kind: 'committed',
    })
  })
})

describe('lake table read --changes, diff and restore', () => {
  it('tell what versions did, and bring an older one back', async () => {
    const table = await made('versions', 1, 2)
    await lake('table', 'update', table, '--set', 'n = 7', '--where', 'n = 2')

    expect(await lake('table', 'diff', table, '1..2', '--key', 'code')).toMatchObject({
      added: 0,
      removed: 0,
      changed: 1,
      rows: [{ code: '02', change: 'changed', column: 'n', before: '2', after: '7' }],
    })
    expect(await rows(table, '--changes', '2..2', '--columns', '_change_type,code,n')).toEqual([
      { _change_type: 'delete', code: '02', n: 2 },
      { _change_type: 'insert', code: '02', n: 7 },
    ])
    await lake('table', 'restore', table, '--version', '1')
    expect(await rows(table)).toEqual([row(1), row(2)])
    expect(await lake('table', 'diff', table, '1..3', '--key', 'code')).toMatchObject({
      changed: 0,
      rows: [],
    })
  })
})

describe('lake table clone', () => {
  it('makes a table of its own of one version, where there is none', async () => {
    const table = await made('cloned', 1, 2)
    await lake('table', 'delete', table, '--where', 'n = 2')
    const [newest, older] = [join(home.path, 'newest'), join(home.path, 'older')]

    expect(await lake('table', 'clone', table, newest)).toMatchObject({
      kind: 'committed',
      table: newest,
      version: 0,
    })
    await lake('table', 'clone', table, older, '--version', '1')
    await lake('table', 'delete', table, '--all')

    expect(await rows(newest)).toEqual([row(1)])
    expect(await rows(older)).toEqual([row(1), row(2)])
    const again = await home.lake('table', 'clone', table, older)
    expect([again.exitCode, again.stderr]).toEqual([1, expect.stringContaining('there is a table already')])
    const both = await home.lake(
      'table',
      'clone',
      table,
      `${older}2`,
      '--version',
      '1',
      '--timestamp',
      '2026-01-01',
    )
    expect(both.exitCode).toBe(2)
  })
})

describe('lake table alter', () => {
  it('changes columns, constraints and properties, one kind at a time', async () => {
    const table = await made('altered', 1)

    await lake('table', 'alter', table, '--add', 'note string', '--add', 'price DECIMAL(10, 2)')
    await lake('table', 'alter', table, '--set', 'delta.columnMapping.mode=name')
    await lake('table', 'alter', table, '--rename', 'note remark')
    await lake('table', 'alter', table, '--drop', 'price')
    await lake('table', 'alter', table, '--add-constraint', 'positive=n > 0')

    expect(await rows(table)).toEqual([{ ...row(1), remark: null }])
    const refused = await home.lake('table', 'update', table, '--set', 'n = 0', '--all')
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toContain('positive')
    const two = await home.lake('table', 'alter', table, '--drop', 'n', '--nullable', 'n')
    expect(two.exitCode).toBe(2)
    expect(two.stderr).toContain('one kind of change, got 2')
  })
})

describe('lake table optimize, vacuum and checkpoint', () => {
  it('come by themselves where the table asks for it', async () => {
    const table = await made('compacted', 1)
    await lake('table', 'alter', table, '--set', 'delta.autoOptimize.autoCompact=true')
    await addCopies(table, 48)

    const again = await file('again.csv', numbered(1))
    const { stderr } = await home.lake('table', 'append', table, '--from', again)

    expect(stderr).toContain('compacted 50 small files to 1')
    expect(await lake('table', 'show', table)).toMatchObject({ numFiles: 1, numRecords: 50 })
  })

  it('keep the rows', async () => {
    const table = await made('kept', 1)
    for (const id of [1, 1, 1]) {
      await lake('table', 'append', table, '--from', await file('again.csv', numbered(id)))
    }
    const before = await rows(table)

    expect(await lake('table', 'optimize', table)).toMatchObject({ removedFiles: 4, addedFiles: 1 })
    expect(await lake('table', 'optimize', table)).toMatchObject({ commits: 0 })
    expect(await lake('table', 'vacuum', table, '--dry-run')).toMatchObject({ dryRun: true, files: [] })
    const early = await home.lake('table', 'vacuum', table, '--retain-hours', '0')
    expect(early.exitCode).toBe(2)
    expect(early.stderr).toContain('add --force, or set delta.deletedFileRetentionDuration')
    expect(await lake('table', 'vacuum', table, '--retain-hours', '0', '--force')).toMatchObject({
      files: { length: 5 },
    })
    expect(await lake('table', 'checkpoint', table)).toMatchObject({ version: 5 })
    expect(await rows(table)).toEqual(before)
  })
})
