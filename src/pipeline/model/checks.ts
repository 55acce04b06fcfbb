/** What is expected of the rows of each table: the batch asks it of new rows before anyone sees them, `lake check` of all. */
import type { Expectation } from '../../lib/quality/expectation.ts'
import { isValid } from './event-rules.ts'
import { goldMetrics } from './gold.ts'
import type { GoldMetric } from './metric.ts'
import type { LakeTable } from './tables.ts'

/**
 * What a broken check means: `fail`, that rows are not published; `quarantine`, that the batch keeps them apart;
 * `warn`, that somebody should look.
 */
export type Severity = 'warn' | 'quarantine' | 'fail'

export interface TableCheck {
  readonly severity: Severity
  readonly expectation: Expectation
}

const fail = (expectation: Expectation): TableCheck => ({ severity: 'fail', expectation })

const dayOfTimestamp: Expectation = {
  kind: 'condition',
  name: 'event_date is the UTC day of timestamp',
  sql: `cast("timestamp" as date) = event_date`,
}

const valid: Expectation = { kind: 'condition', name: 'the event is valid', sql: isValid }

const eventChecks: Readonly<Partial<Record<LakeTable, readonly TableCheck[]>>> = {
  'bronze/events': [
    ...['event_id', 'user_id', 'event_type', 'page', 'timestamp', 'source', 'event_date'].map((column) =>
      fail({ kind: 'notNull', column }),
    ),
    fail(dayOfTimestamp),
    { severity: 'quarantine', expectation: valid },
  ],
  'silver/events': [
    fail({ kind: 'unique', columns: ['event_date', 'event_id'] }),
    fail(dayOfTimestamp),
    fail(valid),
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

function metricChecks({ grain, checks }: GoldMetric): readonly TableCheck[] {
  return [
    fail({ kind: 'unique', columns: grain }),
    ...grain.map((column) => fail({ kind: 'notNull', column })),
    ...checks.map(fail),
  ]
}

/** What rows must keep to be published. */
export function expectationsBefore(checks: readonly TableCheck[]): readonly Expectation[] {
  return checks.flatMap(({ severity, expectation }) => (severity === 'fail' ? [expectation] : []))
}
