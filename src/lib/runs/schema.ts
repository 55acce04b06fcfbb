/**
 * The tables of the run store, and the steps that bring a database up to date.
 *
 * Steps go forward only, and every step may start again. SQLite makes all of them in one transaction. MySQL has no transactions around DDL: if a
 * process is killed, the next one finds some of the tables.
 */
import { type ColumnType, type Generated, type Kysely, type RawBuilder, sql } from 'kysely'
import { LakeError } from '../base/errors.ts'

/** 64-bit: a driver gives a number, a bigint or a text, whichever holds the value without rounding. */
type AnyInteger = number | bigint | string
export type StoredInteger = ColumnType<AnyInteger, number, AnyInteger>
type NullableInteger = ColumnType<AnyInteger | null, number | null, number | null>

export interface RunsTable {
  id: Generated<number | bigint>
  /** Drawn by the writer, so that an insert whose answer was lost can be repeated. */
  token: string
  dag: string
  trigger: string
  schedule: string | null
  tick_ms: NullableInteger
  state: string
  parameters: string
  started_ms: StoredInteger
  ended_ms: NullableInteger
  error: string | null
  owner: string
  lease: string
  fencing_token: StoredInteger
  queued_ms: NullableInteger
  /** While it is queued: the last sign of life of its process. */
  alive_ms: NullableInteger
  cancel_ms: NullableInteger
  first_run: NullableInteger
  code: string | null
}

export interface AttemptsTable {
  run_id: StoredInteger
  node: string
  attempt: StoredInteger
  position: StoredInteger
  state: string
  started_ms: NullableInteger
  ended_ms: NullableInteger
  rows_in: NullableInteger
  rows_out: NullableInteger
  versions_before: string | null
  versions_after: string | null
  error: string | null
  details: string | null
  retry_ms: NullableInteger
  inputs: string | null
}

/** A piece of the log of an attempt, as bytes of text: from `first_byte` on. */
export interface LogPiecesTable {
  run_id: StoredInteger
  node: string
  attempt: StoredInteger
  first_byte: StoredInteger
  end_byte: StoredInteger
  content: Buffer
}

export interface TicksTable {
  schedule: string
  tick_ms: StoredInteger
  kind: string
  missed: StoredInteger
  noticed_ms: StoredInteger
  settled_ms: NullableInteger
}

export interface LeasesTable {
  name: string
  /** null: free. */
  owner: string | null
  /** Grows by one with each holder; rows are never deleted, so it never goes back. */
  fencing_token: StoredInteger
  acquired_ms: StoredInteger
  expires_ms: StoredInteger
}

/** One row for each key; see `AlertBook`. */
export interface AlertsTable {
  alert_key: string
  rule: string
  summary: string
  problem: string
  next_step: string
  opened_ms: StoredInteger
  resolved_ms: NullableInteger
  /** `nothing`, `open` or `resolved`: what the webhook was told last. */
  told: string
  failures: StoredInteger
  /** From here on it may be told. */
  due_ms: StoredInteger
}

/** Rows are added, and never changed: each holds the hash of the one before. */
export interface LedgerTable {
  /** From 1, without a gap. */
  sequence: StoredInteger
  /** Drawn by the writer, so that an insert whose answer was lost can be repeated. */
  token: string
  run_id: NullableInteger
  subject: string
  recorded_ms: StoredInteger
  content: string
  previous_hash: string
  hash: string
}

/** Rows are added, and never changed; the greatest id is what readers see. */
export interface ReleasesTable {
  id: Generated<number | bigint>
  token: string
  run_id: StoredInteger
  released_ms: StoredInteger
  tables: string
}

/** Rows are added, and never changed. */
export interface CheckResultsTable {
  id: Generated<number | bigint>
  token: string
  run_id: NullableInteger
  recorded_ms: StoredInteger
  table_name: string
  check_name: string
  /** The UTC day of the rows; the empty text for a check of the table as a whole. */
  day: string
  state: string
  content: string
}

/** What a run made and did not publish: files of a table that no version has. */
export interface CandidatesTable {
  run_id: StoredInteger
  table_name: string
  refused_ms: StoredInteger
  row_count: StoredInteger
  content: string
  /** When vacuum has removed its files; null as long as they are there. */
  vacuumed_ms: NullableInteger
}

/** Rows are added, and never changed. */
export interface BackfillsTable {
  id: Generated<number | bigint>
  token: string
  dag: string
  from_day: string
  to_day: string
  tasks: string
  started_ms: StoredInteger
}

export interface BackfillDaysTable {
  backfill_id: StoredInteger
  day: string
  state: string
  run_id: NullableInteger
  error: string | null
}

/** One row for each process that runs, or ran, a stage; see `StageBook`. */
export interface StagesTable {
  owner: string
  stage: string
  started_ms: StoredInteger
  /** The last time that the process wrote, by the clock of the database. */
  heard_ms: StoredInteger
  ended_ms: NullableInteger
  content: string
}

/** A stage that has a row is paused. */
export interface StagePausesTable {
  stage: string
  paused_ms: StoredInteger
  reason: string
}

/** One row for each replay of messages of a log; see `ReplayBook`. */
export interface ReplaysTable {
  id: Generated<number | bigint>
  token: string
  topic: string
  actor: string
  note: string
  started_ms: StoredInteger
  ended_ms: NullableInteger
  content: string
  outcome: string | null
}

/** A message that is being replayed, or was. */
export interface ReplayedMessagesTable {
  topic: string
  from_partition: StoredInteger
  from_offset: StoredInteger
  from_ms: StoredInteger
  replay_id: StoredInteger
  /** Where the log ended before it was sent, as JSON. */
  log_ends: string
  /** Where it is now; null as long as that is not known. */
  to_partition: NullableInteger
  to_offset: NullableInteger
  to_ms: NullableInteger
}

export interface Schema {
  replays: ReplaysTable
  replayed_messages: ReplayedMessagesTable
  stages: StagesTable
  stage_pauses: StagePausesTable
  backfills: BackfillsTable
  backfill_days: BackfillDaysTable
  alerts: AlertsTable
  ledger: LedgerTable
  releases: ReleasesTable
  check_results: CheckResultsTable
  candidates: CandidatesTable
  runs: RunsTable
  attempts: AttemptsTable
  log_pieces: LogPiecesTable
  ticks: TicksTable
  leases: LeasesTable
  schema_version: { version: StoredInteger }
}

/** Appended to each `create table`: options that only MySQL needs. */
type TableEnd = RawBuilder<unknown>

const steps: readonly ((db: Kysely<Schema>, end: TableEnd) => Promise<void>)[] = [
  createTables,
  createBooks,
  createCandidates,
  addAttemptsAndQueue,
  createBackfills,
  createAlerts,
  createStages,
  createReplays,
]

/** The version that this release writes. */
export const schemaVersion = steps.length

export interface MigrateOptions {
  /** For messages. */
  readonly place: string
  readonly end?: TableEnd
  /** What `to` a release writes: an earlier one for tests. */
  readonly to?: number
  /** Keeps a copy of a store of an earlier version, before it is changed. The store stays as it is if this throws. */
  readonly snapshot: (versions: SchemaChange) => Promise<void>
}

export interface SchemaChange {
  readonly from: number
  readonly to: number
}

/**
 * Brings the tables to `schemaVersion`. To be called by one process at a time.
 * @throws LakeError `RUNSTORE_REFUSED` when a newer release has been there.
 */
export async function migrate(
  db: Kysely<Schema>,
  { place, end = sql``, to = schemaVersion, snapshot }: MigrateOptions,
): Promise<void> {
  await db.schema
    .createTable('schema_version')
    .ifNotExists()
    .addColumn('version', 'integer', (column) => column.primaryKey())
    .modifyEnd(end)
    .execute()
  const row = await db
    .selectFrom('schema_version')
    .select(({ fn }) => fn.max('version').as('version'))
    .executeTakeFirst()
  const found = Number(row?.version ?? 0)
  if (found > to) {
    throw new LakeError(
      'RUNSTORE_REFUSED',
      `${place}: expected schema version ${to} or older, got ${found}`,
      {
        details: { fault: 'newer-schema', found, expected: to },
      },
    )
  }
  if (found > 0 && found < to) await snapshot({ from: found, to })
  for (const [at, step] of steps.slice(0, to).entries()) {
    if (at < found) continue
    await step(db, end)
    await db
      .insertInto('schema_version')
      .values({ version: at + 1 })
      .execute()
  }
}

async function createTables(db: Kysely<Schema>, end: TableEnd): Promise<void> {
  const table = (name: keyof Schema) => db.schema.createTable(name).ifNotExists().modifyEnd(end)
  await table('runs')
    .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('token', 'varchar(64)', (column) => column.notNull().unique())
    .addColumn('dag', 'varchar(191)', (column) => column.notNull())
    .addColumn('trigger', 'varchar(32)', (column) => column.notNull())
    .addColumn('schedule', 'varchar(191)')
    .addColumn('tick_ms', 'bigint')
    .addColumn('state', 'varchar(32)', (column) => column.notNull())
    .addColumn('parameters', longText, (column) => column.notNull())
    .addColumn('started_ms', 'bigint', (column) => column.notNull())
    .addColumn('ended_ms', 'bigint')
    .addColumn('error', longText)
    .addColumn('owner', 'varchar(191)', (column) => column.notNull())
    .addColumn('lease', 'varchar(191)', (column) => column.notNull())
    .addColumn('fencing_token', 'bigint', (column) => column.notNull())
    .addUniqueConstraint('runs_by_state', ['state', 'id'])
    .execute()
  await table('attempts')
    .addColumn('run_id', 'integer', (column) => column.notNull())
    .addColumn('node', 'varchar(191)', (column) => column.notNull())
    .addColumn('attempt', 'integer', (column) => column.notNull())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('state', 'varchar(32)', (column) => column.notNull())
    .addColumn('started_ms', 'bigint')
    .addColumn('ended_ms', 'bigint')
    .addColumn('rows_in', 'bigint')
    .addColumn('rows_out', 'bigint')
    .addColumn('versions_before', longText)
    .addColumn('versions_after', longText)
    .addColumn('error', longText)
    .addColumn('details', longText)
    .addPrimaryKeyConstraint('attempts_key', ['run_id', 'node', 'attempt'])
    .execute()
  await table('ticks')
    .addColumn('schedule', 'varchar(191)', (column) => column.notNull())
    .addColumn('tick_ms', 'bigint', (column) => column.notNull())
    .addColumn('kind', 'varchar(32)', (column) => column.notNull())
    .addColumn('missed', 'integer', (column) => column.notNull())
    .addColumn('noticed_ms', 'bigint', (column) => column.notNull())
    .addColumn('settled_ms', 'bigint')
    .addPrimaryKeyConstraint('ticks_key', ['schedule', 'tick_ms'])
    .execute()
  await table('leases')
    .addColumn('name', 'varchar(191)', (column) => column.notNull().primaryKey())
    .addColumn('owner', 'varchar(191)')
    .addColumn('fencing_token', 'bigint', (column) => column.notNull())
    .addColumn('acquired_ms', 'bigint', (column) => column.notNull())
    .addColumn('expires_ms', 'bigint', (column) => column.notNull())
    .execute()
}

async function createBooks(db: Kysely<Schema>, end: TableEnd): Promise<void> {
  const table = (name: keyof Schema) => db.schema.createTable(name).ifNotExists().modifyEnd(end)
  await table('ledger')
    .addColumn('sequence', 'bigint', (column) => column.notNull().primaryKey())
    .addColumn('token', 'varchar(64)', (column) => column.notNull().unique())
    .addColumn('run_id', 'bigint')
    .addColumn('subject', 'varchar(191)', (column) => column.notNull())
    .addColumn('recorded_ms', 'bigint', (column) => column.notNull())
    .addColumn('content', longText, (column) => column.notNull())
    .addColumn('previous_hash', 'varchar(64)', (column) => column.notNull())
    .addColumn('hash', 'varchar(64)', (column) => column.notNull())
    .addUniqueConstraint('ledger_by_subject', ['subject', 'sequence'])
    .execute()
  await table('releases')
    .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('token', 'varchar(64)', (column) => column.notNull().unique())
    .addColumn('run_id', 'bigint', (column) => column.notNull())
    .addColumn('released_ms', 'bigint', (column) => column.notNull())
    .addColumn('tables', longText, (column) => column.notNull())
    .execute()
  await table('check_results')
    .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('token', 'varchar(64)', (column) => column.notNull().unique())
    .addColumn('run_id', 'bigint')
    .addColumn('recorded_ms', 'bigint', (column) => column.notNull())
    .addColumn('table_name', 'varchar(191)', (column) => column.notNull())
    .addColumn('check_name', 'varchar(191)', (column) => column.notNull())
    .addColumn('day', 'varchar(32)', (column) => column.notNull())
    .addColumn('state', 'varchar(32)', (column) => column.notNull())
    .addColumn('content', longText, (column) => column.notNull())
    .addUniqueConstraint('check_results_by_check', ['table_name', 'check_name', 'day', 'id'])
    .execute()
  await table('candidates')
    .addColumn('run_id', 'bigint', (column) => column.notNull())
    .addColumn('table_name', 'varchar(191)', (column) => column.notNull())
    .addColumn('content', longText, (column) => column.notNull())
    .addPrimaryKeyConstraint('candidates_key', ['run_id', 'table_name'])
    .execute()
}

/** Before this step nothing was ever written to `candidates`. */
async function createCandidates(db: Kysely<Schema>, end: TableEnd): Promise<void> {
  await db.schema.dropTable('candidates').ifExists().execute()
  await db.schema
    .createTable('candidates')
    .modifyEnd(end)
    .addColumn('run_id', 'bigint', (column) => column.notNull())
    .addColumn('table_name', 'varchar(191)', (column) => column.notNull())
    .addColumn('refused_ms', 'bigint', (column) => column.notNull())
    .addColumn('row_count', 'bigint', (column) => column.notNull())
    .addColumn('content', longText, (column) => column.notNull())
    .addColumn('vacuumed_ms', 'bigint')
    .addPrimaryKeyConstraint('candidates_key', ['run_id', 'table_name'])
    .execute()
}

/** Retries, cancelling, the queue, and the logs of attempts. */
async function addAttemptsAndQueue(db: Kysely<Schema>, end: TableEnd): Promise<void> {
  await addColumns(db, 'runs', {
    queued_ms: 'bigint',
    alive_ms: 'bigint',
    cancel_ms: 'bigint',
    first_run: 'bigint',
    code: 'varchar(191)',
  })
  await addColumns(db, 'attempts', { retry_ms: 'bigint', inputs: longText })
  await db.schema
    .createTable('log_pieces')
    .ifNotExists()
    .modifyEnd(end)
    .addColumn('run_id', 'bigint', (column) => column.notNull())
    .addColumn('node', 'varchar(191)', (column) => column.notNull())
    .addColumn('attempt', 'integer', (column) => column.notNull())
    .addColumn('first_byte', 'bigint', (column) => column.notNull())
    .addColumn('end_byte', 'bigint', (column) => column.notNull())
    .addColumn('content', sql`longblob`, (column) => column.notNull())
    .addPrimaryKeyConstraint('log_pieces_key', ['run_id', 'node', 'attempt', 'first_byte'])
    .execute()
}

async function createAlerts(db: Kysely<Schema>, end: TableEnd): Promise<void> {
  await db.schema
    .createTable('alerts')
    .ifNotExists()
    .modifyEnd(end)
    .addColumn('alert_key', 'varchar(191)', (column) => column.notNull().primaryKey())
    .addColumn('rule', 'varchar(64)', (column) => column.notNull())
    .addColumn('summary', longText, (column) => column.notNull())
    .addColumn('problem', longText, (column) => column.notNull())
    .addColumn('next_step', longText, (column) => column.notNull())
    .addColumn('opened_ms', 'bigint', (column) => column.notNull())
    .addColumn('resolved_ms', 'bigint')
    .addColumn('told', 'varchar(16)', (column) => column.notNull())
    .addColumn('failures', 'integer', (column) => column.notNull())
    .addColumn('due_ms', 'bigint', (column) => column.notNull())
    .execute()
}

async function createStages(db: Kysely<Schema>, end: TableEnd): Promise<void> {
  const table = (name: keyof Schema) => db.schema.createTable(name).ifNotExists().modifyEnd(end)
  await table('stages')
    .addColumn('owner', 'varchar(191)', (column) => column.notNull().primaryKey())
    .addColumn('stage', 'varchar(64)', (column) => column.notNull())
    .addColumn('started_ms', 'bigint', (column) => column.notNull())
    .addColumn('heard_ms', 'bigint', (column) => column.notNull())
    .addColumn('ended_ms', 'bigint')
    .addColumn('content', longText, (column) => column.notNull())
    .execute()
  await table('stage_pauses')
    .addColumn('stage', 'varchar(64)', (column) => column.notNull().primaryKey())
    .addColumn('paused_ms', 'bigint', (column) => column.notNull())
    .addColumn('reason', longText, (column) => column.notNull())
    .execute()
}

async function createReplays(db: Kysely<Schema>, end: TableEnd): Promise<void> {
  const table = (name: keyof Schema) => db.schema.createTable(name).ifNotExists().modifyEnd(end)
  await table('replays')
    .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('token', 'varchar(64)', (column) => column.notNull().unique())
    .addColumn('topic', 'varchar(249)', (column) => column.notNull())
    .addColumn('actor', 'varchar(191)', (column) => column.notNull())
    .addColumn('note', longText, (column) => column.notNull())
    .addColumn('started_ms', 'bigint', (column) => column.notNull())
    .addColumn('ended_ms', 'bigint')
    .addColumn('content', longText, (column) => column.notNull())
    .addColumn('outcome', longText)
    .execute()
  await table('replayed_messages')
    .addColumn('topic', 'varchar(249)', (column) => column.notNull())
    .addColumn('from_partition', 'integer', (column) => column.notNull())
    .addColumn('from_offset', 'bigint', (column) => column.notNull())
    .addColumn('from_ms', 'bigint', (column) => column.notNull())
    .addColumn('replay_id', 'integer', (column) => column.notNull())
    .addColumn('log_ends', longText, (column) => column.notNull())
    .addColumn('to_partition', 'integer')
    .addColumn('to_offset', 'bigint')
    .addColumn('to_ms', 'bigint')
    .addPrimaryKeyConstraint('replayed_messages_key', ['topic', 'from_partition', 'from_offset', 'from_ms'])
    .addUniqueConstraint('replayed_messages_to', ['topic', 'to_partition', 'to_offset', 'to_ms'])
    .execute()
}

/** MySQL has no `add column if not exists`, and a step that was killed starts again. */
async function addColumns(
  db: Kysely<Schema>,
  table: keyof Schema,
  columns: Readonly<Record<string, 'bigint' | 'varchar(191)' | RawBuilder<unknown>>>,
): Promise<void> {
  const found = (await db.introspection.getTables()).find(({ name }) => name === table)
  const there = new Set(found?.columns.map(({ name }) => name))
  for (const [name, type] of Object.entries(columns)) {
    if (!there.has(name)) await db.schema.alterTable(table).addColumn(name, type).execute()
  }
}

async function createBackfills(db: Kysely<Schema>, end: TableEnd): Promise<void> {
  const table = (name: keyof Schema) => db.schema.createTable(name).ifNotExists().modifyEnd(end)
  await table('backfills')
    .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('token', 'varchar(64)', (column) => column.notNull().unique())
    .addColumn('dag', 'varchar(191)', (column) => column.notNull())
    .addColumn('from_day', 'varchar(32)', (column) => column.notNull())
    .addColumn('to_day', 'varchar(32)', (column) => column.notNull())
    .addColumn('tasks', longText, (column) => column.notNull())
    .addColumn('started_ms', 'bigint', (column) => column.notNull())
    .execute()
  await table('backfill_days')
    .addColumn('backfill_id', 'integer', (column) => column.notNull())
    .addColumn('day', 'varchar(32)', (column) => column.notNull())
    .addColumn('state', 'varchar(32)', (column) => column.notNull())
    .addColumn('run_id', 'bigint')
    .addColumn('error', longText)
    .addPrimaryKeyConstraint('backfill_days_key', ['backfill_id', 'day'])
    .execute()
}

/** MySQL's `text` ends at 64 KiB; its `json` would be parsed, and rounded, by the driver. */
const longText = sql`longtext`
