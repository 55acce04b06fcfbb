/** Where a notebook begins. What this file declares leads to no type of a library; see `lake.ts`. */

import type { DuckDb } from '../lib/duckdb/duckdb.ts'
import { openPlatform, type Platform } from '../pipeline/platform/compose.ts'
import { readConfig } from '../pipeline/platform/config.ts'
import { readShownTables, stagedSnapshots } from '../pipeline/query/staged-tables.ts'
import { calling, followProgress } from './cell.ts'
import type { Lake } from './lake.ts'
import { createLake } from './platform-lake.ts'

/**
 * The lake that the environment names (`LAKE_HOME`, `LAKE_URI`, …). Opens nothing before it is asked, and is closed when
 * the process ends: no cell has to.
 *
 * @throws LakeError `CONFIG_INVALID` naming each variable that is wrong.
 */
export const openLake: () => Lake = calling('openLake', () => {
  const config = readConfig()
  const platform = openPlatform(config)
  let engine: DuckDb | undefined
  followProgress(() => engine?.progress())
  const file = config.notebooks.stagedTables
  const lake = createLake({
    ...platform,
    ...(file !== undefined && shownIn(platform, file)),
    duckdb: async () => {
      engine = await platform.duckdb()
      return engine
    },
  })
  closeAtEnd(lake)
  return lake
})

/** What a gate is shown, read once. */
function shownIn(platform: Platform, file: string): Pick<Platform, 'staged' | 'overlay'> {
  const staged = once(() => readShownTables(file))
  return { staged, overlay: once(async () => stagedSnapshots(platform, await staged())) }
}

function once<T>(read: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | undefined
  return () => {
    found ??= read()
    return found
  }
}

/** A kernel ends when it has nothing to wait for; one that takes too long is told to by SIGTERM. */
function closeAtEnd(lake: Lake): void {
  process.once('beforeExit', () => {
    void lake.close()
  })
  process.once('SIGTERM', () => {
    void lake.close().finally(() => {
      if (process.listenerCount('SIGTERM') === 0) process.kill(process.pid, 'SIGTERM')
    })
  })
}
