/**
 * The lake as a schema for SQL: `bronze.events` … `gold.*` at their newest versions, and any older one by
 * `at_version('gold.daily_active_users', 3)` or `at_timestamp('gold.daily_active_users', '2026-01-31T12:00:00Z')`, in
 * UTC where it names no zone.
 *
 * Only the tables that the statement names are opened, each at one version for the whole statement.
 */
import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import { parseIsoTime } from '../../lib/base/iso-time.ts'
import type { DuckDbSession } from '../../lib/duckdb/duckdb.ts'
import { identifier, text } from '../../lib/duckdb/sql-text.ts'
import { lakeTableNames } from '../model/tables.ts'
import type { Platform } from '../platform/compose.ts'
import { locateTable } from './locate.ts'

const timeTravel =
  /\bat_(?<kind>version|timestamp)\s*\(\s*'(?<table>(?:[^']|'')+)'\s*,\s*(?:'(?<quoted>[^']*)'|(?<bare>\d+))\s*\)/gi

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
  { signal }: IoOptions = {},
): Promise<void> {
  const makeView = async (view: string, name: string, at: VersionChoice): Promise<void> => {
    const table = await locateTable(platform, name, { signal })
    const snapshot = await table.snapshot({ ...at, signal })
    await session.run(
      `create or replace view ${view} as ${await table.scan(session, snapshot, { signal })}`,
      { signal },
    )
  }
  for (const schema of ['bronze', 'silver', 'gold'])
    await session.run(`create schema if not exists ${schema}`, { signal })
  for (const name of lakeTableNames) {
    const [schema = '', table = ''] = name.split('/')
    if (mentions(sql, schema, table)) await makeView(`${schema}.${identifier(table)}`, name, {})
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

function mentions(sql: string, schema: string, table: string): boolean {
  return new RegExp(`\\b${schema}"?\\s*\\.\\s*"?${table}\\b`, 'i').test(sql)
}
