/**
 * Releases: which version of each table readers are to see together. Nobody sees part of a release: it is there with
 * its row, which is written last.
 */
import { randomUUID } from 'node:crypto'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { type Clock, systemClock } from '../base/clock.ts'
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'
import { formatJson, parseJson } from '../base/json.ts'
import { integer, type RunDatabase, read, transact } from './database.ts'
import { assertInForce, type Lease } from './leases.ts'
import type { ReleasesTable } from './schema.ts'

/** One version of a table: a restore may bring another commit under its number, or another table to its place. */
export interface ReleasedTable {
  readonly version: number
  /** Identity of the commit; absent if the table's log no longer has it. */
  readonly commit?: string | undefined
  /** Identity of the table. */
  readonly id: string
}

export interface NewRelease {
  readonly runId: number
  readonly tables: Readonly<Record<string, ReleasedTable>>
}

export interface Release extends NewRelease {
  /** Grows by one or more with each release. */
  readonly id: number
  readonly releasedMs: number
}

export interface PublishOptions extends IoOptions {
  /** What lets one publish at a time. */
  readonly lease?: Lease | undefined
}

export interface ReleaseBook {
  /** @throws LakeError `LEASE_LOST` if somebody else holds the lease by now: their releases are newer. */
  publish(release: NewRelease, options?: PublishOptions): Promise<Release>
  /** `undefined` if nothing has been released yet. */
  newest(options?: IoOptions): Promise<Release | undefined>
  /** @throws LakeError `RELEASE_MISSING` */
  show(id: number, options?: IoOptions): Promise<Release>
  /** Run → the release that it has made; runs that have made none are left out. */
  ofRuns(runs: readonly number[], options?: IoOptions): Promise<ReadonlyMap<number, number>>
  /** Newest first; 20 without a limit. */
  list(options?: IoOptions & { readonly limit?: number }): Promise<readonly Release[]>
}

const tables = z.record(
  z.string(),
  z.object({ version: z.number().int(), commit: z.string().optional(), id: z.string() }),
)

export function createReleaseBook(database: RunDatabase, clock: Clock = systemClock): ReleaseBook {
  const list: ReleaseBook['list'] = ({ limit = 20, signal } = {}) =>
    read(
      database,
      async (db) => {
        const rows = await db.selectFrom('releases').selectAll().orderBy('id', 'desc').limit(limit).execute()
        return rows.map(decode)
      },
      { signal },
    )
  return {
    list,
    newest: async (options) => (await list({ ...options, limit: 1 }))[0],
    show: (id, options) =>
      read(
        database,
        async (db) => {
          const row = await db.selectFrom('releases').selectAll().where('id', '=', id).executeTakeFirst()
          if (row !== undefined) return decode(row)
          throw new LakeError('RELEASE_MISSING', `Release ${id}: there is no such release`, {
            details: { id },
          })
        },
        options,
      ),
    ofRuns: (runs, options) =>
      read(
        database,
        async (db) => {
          if (runs.length === 0) return new Map()
          const rows = await db
            .selectFrom('releases')
            .select(['id', 'run_id'])
            .where('run_id', 'in', runs)
            .execute()
          return new Map(rows.map(({ id, run_id }) => [integer(run_id), integer(id)]))
        },
        options,
      ),
    async publish(release, { lease, ...options } = {}) {
      const token = randomUUID()
      return transact(
        database,
        async (trx) => {
          const mine = trx.selectFrom('releases').selectAll().where('token', '=', token)
          const repeated = await mine.executeTakeFirst()
          if (repeated !== undefined) return decode(repeated)
          if (lease !== undefined) await assertInForce(trx, lease)
          await trx
            .insertInto('releases')
            .values({
              token,
              run_id: release.runId,
              released_ms: integer(clock.now()),
              tables: formatJson(release.tables),
            })
            .execute()
          return decode(await mine.executeTakeFirstOrThrow())
        },
        options,
      )
    },
  }
}

function decode(row: Selectable<ReleasesTable>): Release {
  const id = integer(row.id)
  return {
    id,
    runId: integer(row.run_id),
    releasedMs: integer(row.released_ms),
    tables: tables.parse(parseJson(row.tables, `Release ${id}`)),
  }
}
