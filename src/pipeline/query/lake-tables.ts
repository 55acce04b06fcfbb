/** Every Delta table under LAKE_URI: those of the platform, and those that a user made there. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemCode } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { ObjectStore } from '../../lib/storage/store.ts'
import { isLakeTable, lakeTableNames } from '../model/tables.ts'
import type { Platform } from '../platform/compose.ts'

const logFolder = '_delta_log'

/** Names with `/` between folders: the platform's, also those that are not written yet, then the others in order. */
export async function lakeTables(platform: Platform, options: IoOptions = {}): Promise<readonly string[]> {
  const users = await userTables(platform, options)
  return [...lakeTableNames, ...users]
}

/** The tables that are not the platform's. */
export async function userTables(platform: Platform, options: IoOptions = {}): Promise<readonly string[]> {
  const { lakeUri } = platform.config
  const found = lakeUri.startsWith('s3://')
    ? await tablesOfStore((await platform.tableAt(lakeUri)).store, options)
    : await tablesOfFolder(lakeUri.startsWith('file://') ? fileURLToPath(lakeUri) : lakeUri, '', options)
  return found.filter((name) => !isLakeTable(name)).sort()
}

/** A folder that holds a log is a table, and nothing below it is another. */
async function tablesOfFolder(root: string, name: string, { signal }: IoOptions): Promise<readonly string[]> {
  signal?.throwIfAborted()
  const entries = await readdir(join(root, name), { withFileTypes: true }).catch((error: unknown) => {
    if (['ENOENT', 'EACCES', 'ENOTDIR'].includes(systemCode(error) ?? '')) return []
    throw error
  })
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  if (folders.includes(logFolder)) return name === '' ? [] : [name]
  const below = folders
    .filter((folder) => !/^[._]/.test(folder))
    .map((folder) => tablesOfFolder(root, name === '' ? folder : `${name}/${folder}`, { signal }))
  return (await Promise.all(below)).flat()
}

/** Keys come in order: after a table is found, the listing goes on behind its folder. */
async function tablesOfStore(store: ObjectStore, { signal }: IoOptions): Promise<readonly string[]> {
  const found: string[] = []
  let startAfter = ''
  for (;;) {
    const table = await nextTable(store, startAfter, { signal })
    if (table === undefined) return found
    found.push(table)
    // `0` is the character behind `/`.
    startAfter = `${table}0`
  }
}

async function nextTable(
  store: ObjectStore,
  startAfter: string,
  { signal }: IoOptions,
): Promise<string | undefined> {
  for await (const { key } of store.list('', { startAfter, signal })) {
    const at = key.indexOf(`/${logFolder}/`)
    if (at > 0) return key.slice(0, at)
  }
  return undefined
}
