/** Many commits: rows appended in small ones, and what a commit costs by itself. */

import { join } from 'node:path'
import { append, type StagedFiles } from '../../src/lib/delta/index.ts'
import { text } from '../../src/lib/duckdb/sql-text.ts'
import { type Case, measurement, secondsOf } from '../case.ts'
import { deltaRs, perSecond } from './peer.ts'
import { events, eventTable, inWorkshop, medianSeconds } from './workshop.ts'

const rows = 1_000_000
const batch = 20_000
const commits = 300

export const appendCase: Case = {
  name: 'delta/append',
  run: () =>
    inWorkshop(async (workshop) => {
      const { folder, session } = workshop
      await session.run(`create temporary table batches as ${events(rows)}`)
      // Our rows lie in memory as the peer's do: batch by batch.
      for (let from = 0; from < rows; from += batch) {
        await session.run(
          `create temporary table batch_${from} as select * from temp.batches where rowid >= ${from} and rowid < ${from + batch}`,
        )
      }
      const table = await eventTable(workshop, 'ours', 1)
      const seconds = await secondsOf(async () => {
        for (let from = 0; from < rows; from += batch) {
          await append(table, { session, select: `from temp.batch_${from}` })
        }
      })
      const source = join(folder, 'rows.parquet')
      await session.run(`copy temp.batches to ${text(source)} (format parquet)`)
      const peer = await deltaRs('append', join(folder, 'theirs'), source, String(batch))
      return [measurement('delta/append', 'rows/s', rows / seconds, rows, perSecond(peer, rows))]
    }),
}

export const commitCase: Case = {
  name: 'delta/commit',
  run: () =>
    inWorkshop(async (workshop) => {
      const table = await eventTable(workshop, 'commits', 1)
      const snapshot = await table.snapshot()
      const staged: StagedFiles[] = []
      for (let n = 0; n < commits; n++) {
        staged.push(await table.stage(workshop.session, snapshot, events(1, n)))
      }
      const seconds = await medianSeconds(commits, async () => {
        const files = staged.pop()?.files ?? []
        await table.commit(await table.snapshot(), {
          add: files,
          reads: { kind: 'none' },
          operation: { name: 'WRITE' },
        })
      })
      return [measurement('delta/commit', 'ms, median, data file staged before', seconds * 1000, commits)]
    }),
}
