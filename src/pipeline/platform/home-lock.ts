/** One `lake up` at a time on a home. */
import { join } from 'node:path'
import { LakeError } from '../../lib/base/errors.ts'
import { acquireProcessLock } from '../../lib/sqlite/process-lock.ts'
import type { Platform } from './compose.ts'

/** @throws LakeError `HOME_LOCKED` naming the process that runs on the home. */
export async function lockHome(platform: Platform): Promise<AsyncDisposable> {
  const home = await platform.home()
  const outcome = await acquireProcessLock(join(home, 'up.lock'))
  if (outcome.kind === 'acquired') return outcome.lock
  const holder = outcome.holder === undefined ? '' : ` (process ${outcome.holder.pid})`
  throw new LakeError('HOME_LOCKED', `LAKE_HOME ${home}: another lake up runs on it${holder}`, {
    details: { home, pid: outcome.holder?.pid ?? null },
  })
}
