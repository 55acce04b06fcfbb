/**
 * Copies of the tables of a MySQL store as they were before a release brought them up to date: `lake_v3_to_v4_runs` of
 * `runs`.
 *
 * To go back, stop all processes, drop the tables, and rename the copies to their names.
 */
import { type Kysely, sql } from 'kysely'
import type { Schema, SchemaChange } from '../schema.ts'

/**
 * To be called under the lock of the migration. Copies that are there already are from before a migration that was
 * killed: they stay, because some of its steps may have been made since.
 */
export async function snapshotMysql(db: Kysely<Schema>, { from, to }: SchemaChange): Promise<void> {
  const prefix = `lake_v${from}_to_v${to}_`
  const names = (await db.introspection.getTables()).map(({ name }) => name)
  const tables = names.filter((name) => isTable(name))
  const complete = new RegExp(`^lake_v\\d+_to_v${to}_runs$`)
  if (names.some((name) => complete.test(name))) return
  const partial = (table: string): string => `${prefix}${table}_partial`
  for (const table of tables) {
    await sql`drop table if exists ${sql.table(partial(table))}`.execute(db)
    await sql`create table ${sql.table(partial(table))} like ${sql.table(table)}`.execute(db)
  }
  // What is read stays locked until the end of the transaction, so that the copies fit one another.
  await sql`start transaction`.execute(db)
  try {
    for (const table of tables) {
      await sql`insert into ${sql.table(partial(table))} select * from ${sql.table(table)}`.execute(db)
    }
    await sql`commit`.execute(db)
  } catch (error) {
    // The connection goes back to the pool; it may be gone, and then nothing is left to roll back.
    await sql`rollback`.execute(db).catch(() => undefined)
    throw error
  }
  // All or none of them.
  const renames = tables.map((table) => sql`${sql.table(partial(table))} to ${sql.table(prefix + table)}`)
  await sql`rename table ${sql.join(renames)}`.execute(db)
}

const ours: Readonly<Record<keyof Schema, true>> = {
  alerts: true,
  attempts: true,
  backfills: true,
  backfill_days: true,
  candidates: true,
  check_results: true,
  leases: true,
  ledger: true,
  log_pieces: true,
  releases: true,
  replayed_messages: true,
  replays: true,
  runs: true,
  schema_version: true,
  stage_pauses: true,
  stages: true,
  ticks: true,
}

const isTable = (name: string): name is keyof Schema => Object.hasOwn(ours, name)
