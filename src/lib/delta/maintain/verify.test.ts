import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { append } from '../change/append.ts'
import { deleteRows } from '../change/delete.ts'
import { checksumIn } from '../snapshot/data-checksum.ts'
import { appendRows, openAged } from './maintain.fixture.ts'
import { optimize } from './optimize.ts'
import { verifyFiles } from './verify.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => {
  duckdb[Symbol.dispose]()
})

const row = (id: number): string => `select date '2020-01-01' as day, ${id} as id, 'a' as word`

describe('verifyFiles(table)', () => {
  it('finds nothing in files that were appended, rewritten and put together', async () => {
    await using fixture = await openAged(duckdb)
    const { table } = fixture
    for (const id of [1, 2, 3]) await appendRows(table, row(id))
    using session = await duckdb.connect()
    await append(table, { session, select: `${row(4)} union all ${row(5)}` })
    await deleteRows(table, session, { where: 'id = 5' })

    expect(await verifyFiles(table)).toMatchObject({ files: 4, unsealed: 0, broken: [] })
    await optimize(table)
    await table.checkpoint()
    expect(await verifyFiles(table)).toMatchObject({ files: 1, unsealed: 0, broken: [] })
  })

  it('keeps the tags that optimize gives beside the checksum, and gives a checksum of the new file', async () => {
    await using fixture = await openAged(duckdb)
    await appendRows(fixture.table, row(1))
    await optimize(fixture.table, { zOrderBy: ['id'] })
    const { files } = await fixture.table.snapshot()

    expect(files.map((file) => Object.keys(file.tags ?? {}).length > 1 && checksumIn(file))).toEqual([
      expect.stringMatching(/^[0-9a-f]{8}$/),
    ])
    expect(await verifyFiles(fixture.table)).toMatchObject({ broken: [] })
  })

  it('names a file with a flipped bit, one that was cut off, and one that is gone', async () => {
    await using fixture = await openAged(duckdb)
    const { table, store } = fixture
    for (const id of [1, 2, 3, 4]) await appendRows(table, row(id))
    const keys = [...store.files.keys()].filter((key) => key.endsWith('.parquet'))
    const [flipped = '', cut = '', gone = ''] = keys
    const change = (key: string, edit: (bytes: Uint8Array) => Uint8Array): void => {
      const file = store.files.get(key)
      if (file !== undefined) store.files.set(key, { ...file, bytes: edit(Uint8Array.from(file.bytes)) })
    }
    change(flipped, (bytes) => bytes.map((byte, at) => (at === 20 ? byte ^ 1 : byte)))
    change(cut, (bytes) => bytes.subarray(0, -1))
    store.files.delete(gone)

    const { broken } = await verifyFiles(table)

    expect(Object.fromEntries(broken.map(({ path, problem }) => [path, problem]))).toEqual({
      [flipped]: 'checksum',
      [cut]: 'size',
      [gone]: 'missing',
    })
  })

  it('compares the size alone of a file that has no checksum', async () => {
    await using fixture = await openAged(duckdb)
    await appendRows(fixture.table, row(1))
    const snapshot = await fixture.table.snapshot()
    const [file] = snapshot.files
    if (file === undefined) throw new Error('expected a file')
    const { tags: _tags, ...bare } = file
    await fixture.table.commit(snapshot, {
      remove: [file],
      add: [bare],
      reads: { kind: 'table' },
      operation: { name: 'WRITE', parameters: {} },
    })

    expect(await verifyFiles(fixture.table)).toMatchObject({ files: 1, unsealed: 1, broken: [] })
  })
})
