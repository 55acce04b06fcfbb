/** A process that runs batches over a lake, and kills itself in the midst of one if it is told to. */
import { join } from 'node:path'
import { openEmbeddedClickHouse } from '../../../lib/clickhouse-server/embedded.ts'
import { openDuckDb } from '../../../lib/duckdb/duckdb.ts'
import { openRunStore } from '../../../lib/runs/run-store.ts'
import type { Step } from './model.fixture.ts'
import { type Gates, growBronze, runBetween } from './run.fixture.ts'

export interface Job {
  /** The version of bronze that is made first; none if it is there. */
  readonly grow?: number
  readonly kill?: { readonly step: Step; readonly when: 'before' | 'after' }
}

export interface ChildTask {
  readonly folder: string
  /** Of ClickHouse. */
  readonly home: string
  readonly bad: readonly number[]
  readonly jobs: readonly Job[]
}

const { folder, home, bad, jobs }: ChildTask = JSON.parse(process.argv[2] ?? '')
using duckdb = await openDuckDb({ threads: 1 })
await using clickhouse = await openEmbeddedClickHouse({ home })
await using store = await openRunStore({ url: `sqlite:${join(folder, 'runs.db')}` })
const lake = { folder, duckdb, clickhouse, store, bad: new Set(bad) }

for (const { grow, kill } of jobs) {
  if (grow !== undefined) await growBronze(lake, grow)
  const dieAt = (when: 'before' | 'after', step: Step): void => {
    if (kill?.when === when && kill.step === step) process.kill(process.pid, 'SIGKILL')
  }
  const gates: Gates = {
    before: (step) => dieAt('before', step),
    after: (step) => dieAt('after', step),
    alive: () => undefined,
  }
  console.log(await runBetween(lake, gates))
}
