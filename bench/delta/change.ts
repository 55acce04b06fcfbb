/** Changing large tables: a merge, many small files made few, and what two versions differ by. */

import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { append, diffVersions, merge, optimize, overwrite } from '../../src/lib/delta/index.ts'
import { list, text } from '../../src/lib/duckdb/sql-text.ts'
import { type Case, measurement, secondsOf } from '../case.ts'
import { deltaRs } from './peer.ts'
import { events, eventTable, inWorkshop } from './workshop.ts'

const rows = 10_000_000
const merged = 100_000
const smallFiles = 1_000
const compared = 1_000_000

export const mergeCase: Case = {
  name: 'delta/merge',
  run: () =>
    inWorkshop(async (workshop) => {
      const { folder, session } = workshop
      const table = await eventTable(workshop, 'ours', rows)
      await cp(join(folder, 'ours'), join(folder, 'theirs'), { recursive: true })
      // Half of them are there, in one file of ten; half are new.
      const select = events(merged, 1_000_000 - merged / 2).replace(
        'select i as id',
        `select case when i < 1000000 then i else i + ${rows} end as id`,
      )
      const seconds = await secondsOf(() => merge(table, { session, select }, { on: 't.id = s.id' }))
      const source = join(folder, 'source.parquet')
      await session.run(`copy (${select}) to ${text(source)} (format parquet)`)
      const peer = await deltaRs('merge', join(folder, 'theirs'), source)
      return [measurement('delta/merge', 's', seconds, merged, peer)]
    }),
}

export const optimizeCase: Case = {
  name: 'delta/optimize',
  run: () =>
    inWorkshop(async (workshop) => {
      const { folder, session } = workshop
      const table = await eventTable(workshop, 'ours', 1_000)
      for (let n = 1; n < smallFiles; n++) {
        await append(table, { session, select: events(1_000, n * 1_000) })
      }
      await cp(join(folder, 'ours'), join(folder, 'theirs'), { recursive: true })
      const seconds = await secondsOf(() => optimize(table))
      const peer = await deltaRs('optimize', join(folder, 'theirs'))
      return [measurement('delta/optimize', 's', seconds, smallFiles * 1_000, peer)]
    }),
}

export const diffCase: Case = {
  name: 'delta/diff',
  run: () =>
    inWorkshop(async (workshop) => {
      const { folder, session } = workshop
      const table = await eventTable(workshop, 'events', compared)
      const changed = events(compared).replace(
        '::double / 100 as amount',
        '::double / 100 + (i % 100 = 0)::integer as amount',
      )
      await overwrite(table, { session, select: changed })
      const [before, after] = [await table.snapshot({ version: 0 }), await table.snapshot()]
      const seconds = await secondsOf(async () => {
        const { changed: found } = await diffVersions(session, table, before, after, { key: ['id'] })
        if (found !== compared / 100) throw new Error(`diff: expected ${compared / 100} rows, got ${found}`)
      })
      const [left, right] = [before, after].map(({ files }) =>
        list(files.map(({ path }) => text(join(folder, 'events', path)))),
      )
      const joined = await secondsOf(() =>
        session.rows(
          `select count(*) from read_parquet(${left}) as a full outer join read_parquet(${right}) as b on a.id = b.id where a is distinct from b`,
        ),
      )
      const peer = { name: 'DuckDB, a full outer join of the bare files that counts', value: joined }
      return [measurement('delta/diff', 's', seconds, compared, peer)]
    }),
}
