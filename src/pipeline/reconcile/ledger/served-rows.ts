/**
 * What readers of ClickHouse see is gold in Delta: `gold.*` and `serving.*` hold the rows of the versions that the
 * newest load names, and that load shows the newest versions.
 */

import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { makeFolders } from '../../../lib/base/files/folders.ts'
import type { IoOptions } from '../../../lib/base/io.ts'
import type { ClickHouse } from '../../../lib/clickhouse/clickhouse.ts'
import type { Snapshot } from '../../../lib/delta/index.ts'
import { duckDbType } from '../../../lib/delta/index.ts'
import type { DuckDbSession } from '../../../lib/duckdb/duckdb.ts'
import { identifier, text } from '../../../lib/duckdb/sql-text.ts'
import type { Release } from '../../../lib/runs/release-book.ts'
import { type GoldTable, goldColumnsOf, goldSchemaOf, goldTableNames, metricOf } from '../../model/gold.ts'
import { snapshotAt } from '../../serving/load-plan.ts'
import { readShown, type Shown } from '../../serving/shown.ts'
import type { BooksContext, Identity } from '../books.ts'
import { identityNames } from '../identity-names.ts'
import { createRowsView } from '../rows-of.ts'
import { sameRows } from './same-rows.ts'

/** Of every metric that the newest load shows; none if nothing has been loaded. */
export async function servedGold(
  context: BooksContext,
  session: DuckDbSession,
  clickhouse: ClickHouse,
  { release, signal }: IoOptions & { readonly release: Release | undefined },
): Promise<readonly Identity[]> {
  const shown = await readShown(clickhouse, { signal })
  if (shown === undefined) return []
  const identities: Identity[] = [...servedRelease(release, shown)]
  for (const metric of goldTableNames) {
    const version = shown.versions[`gold/${metric}`]
    if (version === undefined) continue
    const gold = await snapshotAt(context.table(`gold/${metric}`), version, { signal })
    if (gold === undefined) {
      const problem = `the newest load shows version ${version} of gold/${metric}, which is no longer there`
      identities.push({
        name: identityNames.served,
        table: `serving.${metric}`,
        left: 0n,
        right: 1n,
        problem,
      })
      continue
    }
    identities.push(...(await servedRows(context, session, { metric, gold, clickhouse, signal })))
  }
  return identities
}

/** Whether readers of the lake and readers of ClickHouse see the same versions of gold. */
function servedRelease(release: Release | undefined, shown: Shown | undefined): readonly Identity[] {
  if (release === undefined || shown === undefined) return []
  return goldTableNames.flatMap((metric) => {
    const table = `gold/${metric}`
    const [left, right] = [release.tables[table]?.version, shown.versions[table]]
    if (left === undefined && right === undefined) return []
    const identity = {
      name: identityNames.released,
      table,
      left: BigInt(left ?? -1),
      right: BigInt(right ?? -1),
    }
    if (left === right) return [identity]
    const problem = `release ${release.id} has version ${left ?? 'none'}, the newest load version ${right ?? 'none'}`
    return [{ ...identity, problem }]
  })
}

interface ServedOptions extends IoOptions {
  readonly metric: GoldTable
  readonly gold: Snapshot
  readonly clickhouse: ClickHouse
}

/** Two identities for each day that either side has: of `gold.*`, and of the view in `serving.*`. */
async function servedRows(
  context: BooksContext,
  session: DuckDbSession,
  { metric, gold, clickhouse, signal }: ServedOptions,
): Promise<readonly Identity[]> {
  const columns = goldColumnsOf(metric)
  const names = columns.map(identifier).join(', ')
  await createRowsView(context, session, 'audited_gold', `gold/${metric}`, gold, { signal })
  const identities: Identity[] = []
  const { loaded, served } = identityNames
  for (const [schema, name] of [
    ['gold', loaded],
    ['serving', served],
  ] as const) {
    const table = `${schema}.${metric}`
    await using file = await answerFile(context, clickhouse, `SELECT ${columns.join(', ')} FROM ${table}`, {
      signal,
    })
    const select = `select ${castColumns(metric)} from read_parquet(${text(file.path)})`
    const days = await session.rows(
      `select distinct event_date from (select event_date from audited_gold union all select event_date from (${select})) order by event_date`,
      { signal },
    )
    identities.push(
      ...(await sameRows(
        session,
        {
          name,
          table,
          days: days.map((row) => String(row['event_date'])),
          grain: metricOf(metric).grain,
          columns,
          left: { label: 'in Delta', select: `select ${names} from audited_gold` },
          right: { label: 'in ClickHouse', select },
        },
        { signal },
      )),
    )
  }
  return identities
}

/** The types of Delta: a text of few values comes from ClickHouse as another type than a plain one. */
function castColumns(metric: GoldTable): string {
  return goldSchemaOf(metricOf(metric))
    .fields.map(({ name, type }) => `cast(${identifier(name)} as ${duckDbType(type)}) as ${identifier(name)}`)
    .join(', ')
}

interface AnswerFile extends AsyncDisposable {
  readonly path: string
}

/** The rows of a SELECT as a Parquet file, which is gone when it is disposed. */
async function answerFile(
  { temporaryDirectory }: BooksContext,
  clickhouse: ClickHouse,
  select: string,
  { signal }: IoOptions,
): Promise<AnswerFile> {
  await makeFolders(temporaryDirectory)
  const path = join(temporaryDirectory, `answer-${randomUUID()}.parquet`)
  const file = { path, [Symbol.asyncDispose]: () => rm(path, { force: true }) }
  try {
    await pipeline(
      clickhouse.raw(select, { format: 'Parquet', signal }),
      createWriteStream(path, { mode: 0o600 }),
    )
    return file
  } catch (error) {
    await file[Symbol.asyncDispose]()
    throw error
  }
}
