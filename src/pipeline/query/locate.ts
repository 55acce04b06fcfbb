/** From what a person calls a table to the table. */

import { LakeError } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { DeltaTable } from '../../lib/delta/index.ts'
import { isLakeTable, type LakeTable, lakeTableNames } from '../model/tables.ts'
import type { Platform } from '../platform/compose.ts'
import { isWithinHome } from '../platform/config.ts'
import { lakeTables } from './lake-tables.ts'

/**
 * A name (`gold/daily_active_users`, or with a dot), or any path or URI of a Delta table. A relative path is
 * looked for below LAKE_URI first, and then from the working directory.
 *
 * @param orNew Where there is no table: gives the place where it would be, below LAKE_URI for a relative path.
 * @throws LakeError `TABLE_MISSING` when there is no Delta table.
 */
export async function locateTable(
  platform: Platform,
  given: string,
  { orNew = false, signal }: IoOptions & { readonly orNew?: boolean } = {},
): Promise<DeltaTable> {
  const name = given.replace(/^(bronze|silver|gold)\./, '$1/').replace(/(?<=[^/:])\/+$/, '')
  if (name === '') throw new LakeError('USAGE', 'Table: expected a name, a path or a URI, got an empty text')
  if (isLakeTable(name)) {
    const table = await platform.table(name)
    if (await table.exists({ signal })) return table
    throw new LakeError('TABLE_MISSING', `Table ${name}: nothing has been written to ${table.uri} yet`, {
      details: { table: name, fault: 'not-written-yet' },
    })
  }
  const isRelative = !/^([a-z][a-z0-9+.-]*:\/\/|\/|\.)/i.test(name)
  const places = isRelative ? [`${platform.config.lakeUri}/${name}`, name] : [name]
  for (const place of places) {
    const table = await platform.tableAt(place)
    if (await table.exists({ signal })) return table
  }
  if (orNew) {
    const place = places[0] ?? name
    if (isWithinHome(platform.config, place)) await platform.home()
    return platform.tableAt(place)
  }
  throw new LakeError('TABLE_MISSING', `${given}: no Delta table at ${places.join(' or ')}`, {
    details: { table: given, known: await lakeTables(platform, { signal }) },
  })
}

/** What the platform calls the table; `undefined` if it is a user's. */
export async function ownName(platform: Platform, { uri }: DeltaTable): Promise<LakeTable | undefined> {
  for (const name of lakeTableNames) if ((await platform.table(name)).uri === uri) return name
  return undefined
}
