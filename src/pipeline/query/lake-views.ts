/**
 * The lake as a schema for SQL: `bronze.events` … `gold.*`, and the tables of users under LAKE_URI (`people`,
 * `folder.people`). Silver and gold are at the versions of the newest release, the others at their newest; any older one by `at_version('gold.daily_active_users', 3)` or
 * `at_timestamp('gold.daily_active_users', '2026-01-31T12:00:00Z')`, in UTC where it names no zone.
 *
 * Only the tables that the statement names are opened, each at one version for the whole statement.
 */
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { parseIsoTime } from '../../lib/base/iso-time.ts'
import type { DeltaTable, Snapshot } from '../../lib/delta/index.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { identifier, text } from '../../lib/duckdb/sql-text.ts'
import { lakeTableNames } from '../model/tables.ts'
import type { Platform } from '../platform/compose.ts'
import { userTables } from './lake-tables.ts'
import { locateTable } from './locate.ts'
import { type ReadersView, readersView } from './released.ts'

const timeTravel =
  /\bat_(?<kind>version|timestamp)\s*\(\s*'(?<table>(?:[^']|'')+)'\s*,\s*(?:'(?<quoted>[^']*)'|(?<bare>\d+))\s*\)/gi

export interface LakeViewsOptions extends IoOptions {
  /** The tables of the platform as this release has them; without it silver and gold are as the newest one has them. */
  readonly release?: number | undefined
}

/**
 * Makes the views that `sql` needs, in place of those of an earlier statement. They are the database's, not the
 * session's: of two statements at once, each in a session of its own, one waits.
 *
 * @throws LakeError `TABLE_MISSING` or `VERSION_MISSING` for what the statement names and the lake has not.
 */
export async function createLakeViews(
  session: DuckDbSession,
  platform: Platform,
  sql: string,
  { release: id, signal }: LakeViewsOptions = {},
): Promise<void> {
  const viewOf = async (view: string, table: DeltaTable, snapshot: Snapshot): Promise<void> =>
    session.run(`create or replace view ${view} as ${await table.scan(session, snapshot, { signal })}`, {
      signal,
    })
  const makeView = async (view: string, name: string, at: VersionChoice): Promise<void> => {
    const table = await locateTable(platform, name, { signal })
    await viewOf(view, table, await table.snapshot({ ...at, signal }))
  }
  // One release for the whole statement.
  let seen: Promise<ReadersView> | undefined
  const makeReleasedView = async (view: string, name: string): Promise<void> => {
    const table = await locateTable(platform, name, { signal })
    seen ??= readersView(platform, id, { signal })
    await viewOf(view, table, await (await seen).snapshot(name, table, { signal }))
  }
  for (const schema of ['bronze', 'silver', 'gold'])
    await session.run(`create schema if not exists ${schema}`, { signal })
  for (const name of lakeTableNames) {
    const [schema = '', table = ''] = name.split('/')
    if (mentions(sql, schema, table)) await makeReleasedView(`${schema}.${identifier(table)}`, name)
  }
  for (const name of await userTables(platform, { signal })) {
    const { schema, table } = placeOf(name)
    if (!mentions(sql, schema, table)) continue
    if (schema !== '') await session.run(`create schema if not exists ${identifier(schema)}`, { signal })
    await makeView(`${schema === '' ? 'main' : identifier(schema)}.${identifier(table)}`, name, {})
  }
  const made = new Set<string>()
  for (const kind of ['version', 'timestamp'] as const) {
    await session.run(
      `create or replace macro at_${kind}(tbl, point) as table select * from query_table('at_${kind}_' || md5(tbl || '@' || point::varchar))`,
      { signal },
    )
  }
  for (const { groups } of sql.matchAll(timeTravel)) {
    const kind = groups?.['kind']?.toLowerCase() === 'version' ? 'version' : 'timestamp'
    const name = (groups?.['table'] ?? '').replaceAll("''", "'")
    const at = groups?.['quoted'] ?? groups?.['bare'] ?? ''
    const { key } = await session.row(`select md5(${text(name)} || '@' || ${text(at)}) as key`, { signal })
    const view = identifier(`at_${kind}_${String(key)}`)
    if (made.has(view)) continue
    made.add(view)
    await makeView(view, name, versionChoice(kind, at))
  }
}

type VersionChoice = { readonly version?: number; readonly timestampMs?: number }

function versionChoice(kind: 'version' | 'timestamp', at: string): VersionChoice {
  if (kind === 'version') {
    const version = Number(at)
    if (/^\d+$/.test(at) && Number.isSafeInteger(version)) return { version }
    throw new LakeError('SQL_INVALID', `at_version: expected a whole number, got ${at}`)
  }
  const timestampMs = parseIsoTime(at)
  if (timestampMs !== undefined) return { timestampMs }
  throw new LakeError('SQL_INVALID', `at_timestamp: expected a time such as 2026-01-31T12:30:00Z, got ${at}`)
}

/** `folder/people` is `folder.people`; a table right under the root has no schema. */
function placeOf(name: string): { readonly schema: string; readonly table: string } {
  const at = name.lastIndexOf('/')
  return { schema: name.slice(0, Math.max(0, at)), table: name.slice(at + 1) }
}

/** Whether the statement may name the table; more views than it needs do no harm. */
function mentions(sql: string, schema: string, table: string): boolean {
  const [folder, name] = [schema, table].map((each) => each.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))
  const before = schema === '' ? '' : `${folder}"?\\s*\\.\\s*"?`
  return new RegExp(`(?<!\\w)${before}${name}(?!\\w)`, 'i').test(sql)
}
