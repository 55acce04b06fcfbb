/** What is expected of the rows of each table: the batch asks it of new rows before anyone sees them, `lake check` of all. */
import type { Expectation } from '../../lib/quality/expectation.ts'
import { eventFields } from './event.ts'
import { isValid } from './event-rules.ts'
import { goldMetrics } from './gold.ts'
import type { GoldMetric } from './metric.ts'
import { type LakeTable, lakeTableNames } from './tables.ts'

/**
 * What a broken check means: `fail`, that rows are not published; `quarantine`, that the batch keeps them apart;
 * `warn`, that somebody should look.
 */
export type Severity = 'warn' | 'quarantine' | 'fail'

export interface TableCheck {
  readonly severity: Severity
  readonly expectation: Expectation
  /**
   * Of severity `fail`: the tables that are not made from rows that break it, while the table itself is committed. Without
   * it the table is not committed, and so nothing below it is made.
   */
  readonly blocks?: readonly LakeTable[]
}

const fail = (expectation: Expectation): TableCheck => ({ severity: 'fail', expectation })

const dayOfTimestamp: Expectation = {
  kind: 'condition',
  name: 'event_date is the UTC day of timestamp',
  // A cast from an instant to a day asks the time zones, and takes seven times as long.
  sql: `epoch_us("timestamp") - epoch_us(cast(event_date as timestamp)) between 0 and 86399999999`,
}

const valid: Expectation = { kind: 'condition', name: 'the event is valid', sql: isValid }

/** Landing commits what has come, and the batch keeps apart what is not valid: bronze holds nothing up. */
const reported = (expectation: Expectation): TableCheck => ({ severity: 'fail', expectation, blocks: [] })
const warn = (expectation: Expectation): TableCheck => ({ severity: 'warn', expectation })

/** The id of an event names it on one day; one that stands on two is kept on both. */
const idOnOneDay: Expectation = {
  kind: 'query',
  name: 'event_id is on one day',
  of: 'relation',
  sql: `select * from checked
where event_id in (select event_id from checked group by event_id having min(event_date) <> max(event_date))`,
}

const eventChecks: Readonly<Partial<Record<LakeTable, readonly TableCheck[]>>> = {
  'bronze/events': [
    ...[...eventFields, 'event_date'].map((column) => reported({ kind: 'notNull', column })),
    reported(dayOfTimestamp),
    { severity: 'quarantine', expectation: valid },
    warn({ kind: 'freshness', column: 'kafka_timestamp', maxAgeHours: 24 }),
    warn({ kind: 'drift', within: 0.5 }),
  ],
  'silver/events': [
    fail({ kind: 'unique', columns: ['event_date', 'event_id'] }),
    fail(dayOfTimestamp),
    fail(valid),
    warn(idOnOneDay),
  ],
  'silver/quarantine': [
    fail({ kind: 'condition', name: 'the event is not valid', sql: `not ${isValid}` }),
    fail({ kind: 'condition', name: 'there is a reason', sql: 'len(reasons) > 0' }),
  ],
}

export function checksOf(table: LakeTable): readonly TableCheck[] {
  const metric = goldMetrics.find(({ name }) => table === `gold/${name}`)
  return metric === undefined ? (eventChecks[table] ?? []) : metricChecks(metric)
}

/** What is expected of the rows of a metric: what each metric keeps, and what it declares itself. */
export function metricChecks({ grain, checks }: Pick<GoldMetric, 'grain' | 'checks'>): readonly TableCheck[] {
  return [
    fail({ kind: 'unique', columns: grain }),
    ...grain.map((column) => fail({ kind: 'notNull', column })),
    fail({ kind: 'references', columns: ['event_date'], relation: viewOf('silver/events') }),
    ...checks.map(fail),
  ]
}

/** The name by which checks and metrics know a table in SQL: `silver_events`. */
export function viewOf(table: LakeTable): string {
  return table.replace('/', '_')
}

/** The tables that expectations compare with. */
export function referencedBy(expectations: readonly Expectation[]): readonly LakeTable[] {
  const views = new Set(expectations.flatMap((each) => (each.kind === 'references' ? [each.relation] : [])))
  return lakeTableNames.filter((table) => views.has(viewOf(table)))
}

/** What rows must keep to be committed. */
export function expectationsBefore(checks: readonly TableCheck[]): readonly Expectation[] {
  return checks.flatMap(({ severity, expectation, blocks }) =>
    severity === 'fail' && blocks === undefined ? [expectation] : [],
  )
}

/** What rows of a table must keep for `target` to be made from them. */
export function expectationsBetween(
  checks: readonly TableCheck[],
  target: LakeTable,
): readonly Expectation[] {
  return checks.flatMap(({ severity, expectation, blocks }) =>
    severity === 'fail' && blocks?.includes(target) === true ? [expectation] : [],
  )
}
