/** The run store for commands that only look: none is made. */
import { access } from 'node:fs/promises'
import type { RunStore } from '../../lib/runs/run-store.ts'
import { parseRunStoreUrl } from '../../lib/runs/run-store-url.ts'
import type { Platform } from '../platform/compose.ts'

/** `undefined` where no run was ever recorded. */
export async function existingRuns(platform: Platform): Promise<RunStore | undefined> {
  const address = parseRunStoreUrl(platform.config.metadata.url)
  if (address.kind === 'sqlite' && !(await exists(address.path))) return undefined
  return platform.runs()
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
