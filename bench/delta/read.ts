/** Reading some of ten million rows, beside DuckDB on the bare Parquet files that it is told to read. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DeltaTable, optimize } from '../../src/lib/delta/index.ts'
import { parsePredicate, pruneFiles } from '../../src/lib/delta/testing/inside.fixture.ts'
import { list, text } from '../../src/lib/duckdb/sql-text.ts'
import { type Case, type Measurement, measurement } from '../case.ts'
import { eventTable, inWorkshop, medianSecondsInTurn, type Workshop } from './workshop.ts'

const rows = 10_000_000
const runs = 15
const peer = 'DuckDB on the right files'

export const scanCase: Case = {
  name: 'delta/scan',
  run: () =>
    inWorkshop(async (workshop) => {
      const table = await eventTable(workshop, 'events', rows)
      const where = `id >= 2000000 and id < 5000000 and event_type = 'purchase'`
      const aggregate = 'select page, count(*) as events, sum(amount) as amount'
      const { figure } = await compared('delta/scan', workshop, table, where, aggregate)
      return [figure]
    }),
}

export const lookupCase: Case = {
  name: 'delta/lookup',
  run: () =>
    inWorkshop(async (workshop) => {
      const table = await eventTable(workshop, 'events', rows)
      const by = async (columns: readonly string[]): Promise<readonly Measurement[]> => {
        await optimize(table, { zOrderBy: columns })
        const name = `delta/lookup by ${columns.join(', ')}`
        const { figure, share } = await compared(name, workshop, table, 'user_id = 4711', 'select *')
        return [figure, measurement(`${name}, read`, '% of the bytes', share * 100, rows)]
      }
      return [...(await by(['user_id'])), ...(await by(['user_id', 'at']))]
    }),
}

/** What this process has read by calls of the system, from disk or not. */
async function bytesRead(): Promise<number> {
  const io = await readFile('/proc/self/io', 'utf8')
  return Number(/^rchar: (?<bytes>\d+)/m.exec(io)?.groups?.['bytes'])
}

async function compared(
  name: string,
  { folder, session }: Workshop,
  table: DeltaTable,
  where: string,
  select: string,
): Promise<{ readonly figure: Measurement; readonly share: number }> {
  const grouped = select.includes('count(') ? ' group by page' : ''
  const snapshot = await table.snapshot()
  const rightFiles = async () => {
    const predicate = await parsePredicate(session, where, snapshot)
    return (await pruneFiles(session, snapshot, snapshot.files, predicate)).files
  }
  const ours = async (): Promise<void> => {
    const scan = await table.scan(session, snapshot, { files: await rightFiles() })
    await session.rows(`${select} from (${scan}) where ${where}${grouped}`)
  }
  const files = await rightFiles()
  const paths = list(files.map(({ path }) => text(join(folder, 'events', path))))
  const theirs = async (): Promise<void> => {
    await session.rows(`${select} from read_parquet(${paths}) where ${where}${grouped}`)
  }
  const [ourSeconds, theirSeconds] = await medianSecondsInTurn(runs, ours, theirs)
  await session.run('set enable_external_file_cache = false')
  const before = await bytesRead()
  await session.rows(
    `${select} from (${await table.scan(session, snapshot, { files })}) where ${where}${grouped}`,
  )
  const bytes = (await bytesRead()) - before
  await session.run('reset enable_external_file_cache')
  return {
    figure: measurement(name, 'scans/s, median', 1 / ourSeconds, rows, {
      name: peer,
      value: 1 / theirSeconds,
    }),
    share: bytes / snapshot.sizeBytes,
  }
}
