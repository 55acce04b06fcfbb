/** Where a notebook begins. What this file declares leads to no type of a library; see `lake.ts`. */
import { openPlatform } from '../pipeline/platform/compose.ts'
import { readConfig } from '../pipeline/platform/config.ts'
import type { Lake } from './lake.ts'
import { createLake } from './platform-lake.ts'

/**
 * The lake that the environment names (`LAKE_HOME`, `LAKE_URI`, …). Opens nothing before it is asked.
 *
 * @throws LakeError `CONFIG_INVALID` naming each variable that is wrong.
 */
export function openLake(): Lake {
  return createLake(openPlatform(readConfig()))
}
