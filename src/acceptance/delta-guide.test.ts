/** The code of docs/delta.md does what the text around it says. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { append, DeltaTable, field, structOf } from '../lib/delta/index.ts'
import { openDuckDb } from '../lib/duckdb/duckdb.ts'
import { openLocalStore } from '../lib/storage/store.local.ts'

const root = resolve(import.meta.dirname, '../..')

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-guide-'))
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(folder, { recursive: true, force: true })
})

async function codeOfGuide(): Promise<string> {
  const guide = await readFile(join(root, 'docs/delta.md'), 'utf8')
  const blocks = [...guide.matchAll(/```ts\n(?<code>.*?)```/gs)].map(({ groups }) => groups?.['code'] ?? '')
  return blocks
    .join('\n')
    .replaceAll("'../src/", `'${root}/src/`)
    .replaceAll("'/data/orders'", `'${folder}/orders'`)
    .replaceAll(/'(?<name>\w+\.parquet)'/g, `'${folder}/$<name>'`)
}

it('docs/delta.md: its code reads, appends and merges orders', async () => {
  using duckdb = await openDuckDb({ threads: 1 })
  using session = await duckdb.connect()
  const orders = new DeltaTable({ store: openLocalStore(join(folder, 'orders')), duckdb })
  const schema = structOf(
    field('id', 'long', { nullable: false }),
    field('price', 'decimal(10,2)'),
    field('day', 'date'),
  )
  await orders.createIfMissing({ schema, partitionBy: ['day'] })
  const rows = (values: string): string =>
    `select id::bigint as id, price::decimal(10,2) as price, day::date as day from (values ${values}) as t(id, price, day)`
  await append(orders, { session, select: rows("(1, 1.50, '2026-01-01'), (2, 2.50, '2025-12-31')") })
  await session.run(`copy (${rows("(3, 3.50, '2026-01-02')")}) to '${folder}/new.parquet'`)
  await session.run(
    `copy (${rows("(3, 9.99, '2026-01-02'), (4, 4.50, '2026-01-03')")}) to '${folder}/changes.parquet'`,
  )
  const said = vi.spyOn(console, 'log').mockReturnValue()
  const file = join(folder, 'guide.mts')
  await writeFile(file, await codeOfGuide())

  await import(/* @vite-ignore */ pathToFileURL(file).href)

  expect(said.mock.calls).toEqual([[1n, '1.50']])
  const all = await orders.scan(session, await orders.snapshot())
  expect(await session.rows(`select id, price::text as price from (${all}) order by id`)).toEqual([
    { id: 1n, price: '1.50' },
    { id: 2n, price: '2.50' },
    { id: 3n, price: '9.99' },
    { id: 4n, price: '4.50' },
  ])
})
