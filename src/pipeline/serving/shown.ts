/** What `serving.*` shows: the newest row of `serving.loads`. */
import type { IoOptions } from '../../lib/base/io.ts'
import { parseJson } from '../../lib/base/json.ts'
import type { ClickHouse } from '../../lib/clickhouse/clickhouse.ts'

/** Month (`202611`) → the load whose rows of it are shown. */
export type Parts = Readonly<Record<string, number>>

/** A load of gold: which versions of Delta `serving.*` shows. */
export interface Shown {
  readonly loadId: number
  readonly boundary: string
  /** Delta table → version: `gold/daily_active_users`. */
  readonly versions: Readonly<Record<string, number>>
  /** Gold table → id of its Delta table. */
  readonly tables: Readonly<Record<string, string>>
  /** Gold table → identity of the Delta commit. */
  readonly commits: Readonly<Record<string, string>>
  /** By gold table. */
  readonly parts: Readonly<Record<string, Parts>>
}

/** The newest load; `undefined` if nothing has been loaded. */
export async function readShown(clickhouse: ClickHouse, { signal }: IoOptions): Promise<Shown | undefined> {
  const [load] = await clickhouse.query<Omit<Shown, 'versions'> & { readonly versions: string }>(
    `SELECT load_id AS loadId, versions, toString(boundary) AS boundary, tables, commits, parts
     FROM serving.loads ORDER BY load_id DESC LIMIT 1`,
    { signal },
  )
  if (load === undefined) return undefined
  const versions = parseJson(load.versions, 'serving.loads, versions') as Readonly<Record<string, number>>
  return { ...load, versions }
}
