import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { append, DeltaTable, field, foreignRead, structOf } from '../delta/index.ts'
import { openDuckDb } from '../duckdb/duckdb.ts'
import { openSparkConnect } from '../spark-connect/spark-connect.ts'
import { openLocalStore } from '../storage/store.local.ts'
import { describeCompute } from './compute.contract.ts'
import { openSparkCompute } from './compute.spark.ts'

const url = process.env['SAIL_URL'] ?? ''

describe('Sail', () => {
  describeCompute(async (duckdb) => openSparkCompute({ url, duckdb }))

  it('reads exactly the files that it is given, by its own word', async () => {
    const root = await mkdtemp(join(tmpdir(), 'lake-pinned-'))
    using duckdb = await openDuckDb({ threads: 1 })
    await using connect = openSparkConnect({ url })
    try {
      const table = new DeltaTable({ store: openLocalStore(root), duckdb })
      await table.createIfMissing({
        schema: structOf(field('day', 'date'), field('id', 'long')),
        partitionBy: ['day'],
      })
      for (const id of [1, 2, 3]) {
        const select = `select unnest([date '2026-11-20', date '2026-11-21']) as day, ${id} as id`
        await duckdb.use((session) => append(table, { session, select }))
      }
      const snapshot = await table.snapshot()
      const dayIn = snapshot.partitionValue('day')
      const wanted = snapshot.files.filter((file) => dayIn(file) === '2026-11-20').slice(1)
      const { files } = foreignRead(snapshot, wanted)
      const [group] = files?.groups ?? []

      const found = await connect.session({}, (session) =>
        session.inputFiles({ read: { data_source: { format: 'parquet', paths: group?.uris ?? [] } } }),
      )

      expect(wanted).toHaveLength(2)
      expect(found.map((file) => file.replace(/^file:\/*/, '/')).toSorted()).toEqual(
        wanted.map(({ path }) => join(root, path)).toSorted(),
      )
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  })
})
