/**
 * A copy of a SQLite store as it was before a release brought it up to date: `runs.v3-to-v4.2026-11-30T190930Z.db`.
 *
 * To go back, stop all processes, put the copy in the place of the store, and run the older release.
 */
import { readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join, parse } from 'node:path'
import { openPlainConnection } from '../../sqlite/connection.ts'
import type { SchemaChange } from '../schema.ts'

/** To be called while this process alone may write. A copy of the same change that did not come to pass goes. */
export async function snapshotSqlite(path: string, { from, to }: SchemaChange): Promise<void> {
  const { dir, name, ext } = parse(path)
  const start = `${name}.v${from}-to-v${to}.`
  const time = new Date().toISOString().replaceAll(':', '').replace(/\.\d+/, '')
  const copy = join(dir, `${start}${time}${ext}`)
  const partial = `${copy}.partial`
  const older = readdirSync(dir).filter((each) => each.startsWith(start))
  for (const each of older) if (each.endsWith('.partial')) rmSync(join(dir, each))

  // Made first, so that nobody may read the copy who may not read the store.
  const file = await open(partial, 'wx', statSync(path).mode & 0o777)
  try {
    // A connection of its own: the one that holds the lock is in a transaction, in which none can be vacuumed.
    const reader = openPlainConnection(path, { busyTimeoutMs: 1_000 })
    try {
      reader.prepare('vacuum into ?').run(partial)
    } finally {
      reader.close()
    }
    await file.sync()
  } finally {
    await file.close()
  }
  renameSync(partial, copy)
  await syncFolder(dirname(copy))
  for (const each of older) {
    if (!each.endsWith('.partial') && join(dir, each) !== copy) rmSync(join(dir, each))
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
