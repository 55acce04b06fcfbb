/**
 * Alerts that are open, and what of them a webhook has been told: one row for each key.
 *
 *     (none) ──found──► open ──no longer found──► resolved ──found──► open
 *
 * A row is told twice, open and resolved. What could not be told stays due, over restarts too.
 */
import { type Selectable, sql, type UpdateObject } from 'kysely'
import type { IoOptions } from '../../base/io.ts'
import { integer, optionalInteger, type RunDatabase, read, transact } from '../database.ts'
import type { AlertsTable, Schema } from '../schema.ts'

export interface Alert {
  /** The same for as long as the same thing is wrong: `run/nightly`. */
  readonly key: string
  readonly summary: string
  /** What was found, in words. */
  readonly problem: string
  /** The command to run next, or the step to take. */
  readonly next: string
}

export interface KnownAlert extends Alert {
  readonly rule: string
  readonly openedMs: number
  readonly resolvedMs?: number
  /** The webhook knows of its present state. */
  readonly isTold: boolean
  /** Attempts to tell the present state that failed. */
  readonly failures: number
}

/** What a rule has found; a rule that could not look is left out, and its alerts stay as they are. */
export interface RuleFinding {
  readonly rule: string
  readonly alerts: readonly Alert[]
}

export interface AlertBook {
  /** Records what was found. @returns What is new, and what is over. To be called by one process at a time. */
  observe(
    findings: readonly RuleFinding[],
    options?: IoOptions,
  ): Promise<{ readonly opened: readonly KnownAlert[]; readonly resolved: readonly KnownAlert[] }>
  /** Those that are open, the oldest first. */
  open(options?: IoOptions): Promise<readonly KnownAlert[]>
  /** Those of whose state the webhook is to be told by now, the oldest first. */
  due(options?: IoOptions): Promise<readonly KnownAlert[]>
  told(alert: KnownAlert, options?: IoOptions): Promise<void>
  /** It is due again after a while. */
  untold(alert: KnownAlert, delayMs: number, options?: IoOptions): Promise<void>
}

const keptMs = 30 * 86_400_000

export function createAlertBook(database: RunDatabase): AlertBook {
  const { nowMs } = database

  const selectOpen = (db: Db) => db.selectFrom('alerts').selectAll().where('resolved_ms', 'is', null)

  const rowsOf = async (db: Db, keys: readonly string[]): Promise<readonly KnownAlert[]> =>
    keys.length === 0
      ? []
      : (await db.selectFrom('alerts').selectAll().where('alert_key', 'in', keys).execute()).map(decode)

  return {
    observe: (findings, options) =>
      transact(
        database,
        async (trx) => {
          const [opened, resolved]: [string[], string[]] = [[], []]
          for (const finding of findings) {
            const [begun, over] = await observe(database, trx, finding)
            opened.push(...begun)
            resolved.push(...over)
          }
          await trx
            .deleteFrom('alerts')
            .where('told', '=', 'resolved')
            .where(({ eb }) => eb('resolved_ms', '<', eb(nowMs(), '-', keptMs)))
            .execute()
          return { opened: await rowsOf(trx, opened), resolved: await rowsOf(trx, resolved) }
        },
        options,
      ),
    open: (options) =>
      read(
        database,
        async (db) => (await selectOpen(db).orderBy('opened_ms').execute()).map(decode),
        options,
      ),
    due: (options) =>
      read(database, async (db) => (await selectDue(database, db).execute()).map(decode), options),
    told: ({ key, resolvedMs }, options) => {
      const told = resolvedMs === undefined ? 'open' : 'resolved'
      return update(database, key, { told, failures: 0, due_ms: 0 }, options)
    },
    untold: ({ key, failures }, delayMs, options) =>
      update(
        database,
        key,
        { failures: failures + 1, due_ms: sql<number>`${nowMs()} + ${delayMs}` },
        options,
      ),
  }
}

const selectDue = ({ nowMs }: RunDatabase, db: Db) =>
  db
    .selectFrom('alerts')
    .selectAll()
    .where(({ eb, or, and }) =>
      or([
        and([eb('resolved_ms', 'is', null), eb('told', '=', 'nothing')]),
        and([eb('resolved_ms', 'is not', null), eb('told', '!=', 'resolved')]),
      ]),
    )
    .where('due_ms', '<=', nowMs())
    .orderBy('opened_ms')

async function update(
  database: RunDatabase,
  key: string,
  values: UpdateObject<Schema, 'alerts'>,
  options?: IoOptions,
): Promise<void> {
  await transact(
    database,
    (trx) => trx.updateTable('alerts').set(values).where('alert_key', '=', key).execute(),
    options,
  )
}

type Db = RunDatabase['db']
type Row = Selectable<AlertsTable>

async function put(
  { nowMs }: RunDatabase,
  trx: Db,
  rule: string,
  alert: Alert,
  before: Row | undefined,
): Promise<boolean> {
  const { key, summary, problem, next } = alert
  const words = { rule, summary, problem, next_step: next }
  if (before === undefined) {
    await trx
      .insertInto('alerts')
      .values({
        alert_key: key,
        ...words,
        opened_ms: nowMs(),
        resolved_ms: null,
        told: 'nothing',
        failures: 0,
        due_ms: 0,
      })
      .execute()
    return true
  }
  const isOver = before.resolved_ms !== null
  // Of one that came back before its end was told, nothing is told.
  const isTold = before.told === 'open'
  await trx
    .updateTable('alerts')
    .set({
      ...words,
      ...(isOver && {
        resolved_ms: null,
        opened_ms: isTold ? before.opened_ms : nowMs(),
        told: isTold ? 'open' : 'nothing',
        failures: 0,
        due_ms: 0,
      }),
    })
    .where('alert_key', '=', key)
    .execute()
  return isOver
}

async function observe(
  database: RunDatabase,
  trx: Db,
  { rule, alerts }: RuleFinding,
): Promise<readonly [string[], string[]]> {
  const known = new Map(
    (await trx.selectFrom('alerts').selectAll().where('rule', '=', rule).execute()).map((row) => [
      row.alert_key,
      row,
    ]),
  )
  const opened: string[] = []
  for (const alert of alerts)
    if (await put(database, trx, rule, alert, known.get(alert.key))) opened.push(alert.key)
  const found = new Set(alerts.map(({ key }) => key))
  const over = [...known.values()].filter((row) => row.resolved_ms === null && !found.has(row.alert_key))
  for (const { alert_key: key } of over) {
    await trx
      .updateTable('alerts')
      .set({ resolved_ms: database.nowMs(), failures: 0, due_ms: 0 })
      .where('alert_key', '=', key)
      .execute()
  }
  return [opened, over.map((row) => row.alert_key)]
}

function decode(row: Row): KnownAlert {
  const resolvedMs = optionalInteger(row.resolved_ms)
  return {
    key: row.alert_key,
    rule: row.rule,
    summary: row.summary,
    problem: row.problem,
    next: row.next_step,
    openedMs: integer(row.opened_ms),
    ...(resolvedMs !== undefined && { resolvedMs }),
    isTold: row.told === (resolvedMs === undefined ? 'open' : 'resolved'),
    failures: integer(row.failures),
  }
}
