/** What the contracts of the run store share: stores over one database, processes that use it, and waiting. */
import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { isLakeError } from '../../base/errors.ts'
import type { Lease } from '../leases.ts'
import type { OpenRunStoreOptions, RunStore } from '../run-store.ts'

export interface Stores {
  /** For the titles of tests. */
  readonly adapter: string
  /** Over the database of the test; closed after it. */
  openStore(options?: Partial<OpenRunStoreOptions>): Promise<RunStore>
  /** A process of its own that opens the store as `store`, runs `body`, and then stays until it is killed. */
  inChild(
    body: string,
    before?: string,
  ): { readonly child: ChildProcess; readonly said: Promise<string>; readonly gone: Promise<unknown> }
  /** Of a lease that is free. */
  leaseOf(store: RunStore, name: string): Promise<Lease>
}

export const code =
  (...codes: Parameters<typeof isLakeError>[1][]) =>
  (error: unknown): boolean =>
    isLakeError(error, ...codes)

export async function until(isSo: () => Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms`)
    await sleep(20)
  }
}
