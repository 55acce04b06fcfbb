/** A log in memory whose rejected messages tests replay, with a run store in a folder. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../lib/base/clock.ts'
import { silentLogger } from '../../lib/base/log.ts'
import { DeltaTable } from '../../lib/delta/index.ts'
import type { DuckDb } from '../../lib/duckdb/duckdb.ts'
import { createMemoryEventLog, type MemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import type { EventLog, Message, NewMessage } from '../../lib/eventlog/eventlog.ts'
import { openRunStore, type RunStore } from '../../lib/runs/run-store.ts'
import { openLocalStore } from '../../lib/storage/store.local.ts'
import { land } from '../landing/landing.ts'
import type { Fix } from './fix-script.ts'
import { type ReplayContext, type ReplayReport, type ReplayRequest, replayLetters } from './replay.ts'

export interface RejectedLake extends AsyncDisposable {
  readonly log: MemoryEventLog
  readonly store: RunStore
  readonly context: ReplayContext
  send(...messages: readonly (NewMessage | NewMessage['value'] | string)[]): Promise<void>
  land(): Promise<void>
  /** @param log takes the place of the lake's own, such as one that fails. */
  replay(
    request?: Partial<ReplayRequest> & { readonly fix?: Fix },
    log?: EventLog,
    signal?: AbortSignal,
  ): Promise<ReplayReport>
  /** Every message of the log. */
  messages(): Promise<readonly Message[]>
}

export async function openRejectedLake(duckdb: DuckDb): Promise<RejectedLake> {
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-rejected-'))
  const tableAt = (name: string) => new DeltaTable({ store: openLocalStore(join(folder, name)), duckdb })
  const tables = { events: tableAt('events'), rejected: tableAt('rejected') }
  const log = createMemoryEventLog({ topic: 'user-events' })
  const store = await openRunStore({ url: `sqlite:${join(folder, 'runs.db')}` })
  const context = {
    rejected: tables.rejected,
    duckdb,
    log,
    store,
    clock: systemClock,
    logger: silentLogger,
  }
  return {
    log,
    store,
    context,
    send: (...messages) => log.append(messages.map(messageOf)),
    land: async () => {
      await land({ log, tables, duckdb, triggerMs: 1_000, drain: true })
    },
    replay: ({ fix, ...request } = {}, other = log, signal) =>
      replayLetters(
        { ...context, log: other },
        {
          filter: {},
          limit: 1_000,
          perSecond: 100_000,
          actor: 'ann',
          note: 'why',
          ...(fix && { script: { path: 'fix.ts', hash: 'h', fix } }),
          ...request,
        },
        { signal },
      ),
    messages: async () => {
      const ranges = await log.partitions()
      const found: Message[] = []
      for (const { partition, start, end } of ranges) {
        for (let at = start; at < end; at = (at + 1n) as typeof at) {
          const message = await log.readAt(partition, at)
          if (message !== undefined) found.push(message)
        }
      }
      return found
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]()
      await log[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function messageOf(given: NewMessage | NewMessage['value'] | string): NewMessage {
  if (typeof given === 'string') return { key: Buffer.from('7'), value: Buffer.from(given) }
  if (given === null || given instanceof Uint8Array) return { key: Buffer.from('7'), value: given }
  return given
}
