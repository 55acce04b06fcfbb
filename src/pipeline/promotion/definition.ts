/** A metric as a notebook defines it, and what of the definition can be judged without a row. */
import { z } from 'zod'
import { type Expectation, expectationKinds } from '../../lib/quality/expectation.ts'
import { goldMetrics } from '../model/gold.ts'
import { joinedViews } from '../model/joined-view.ts'
import type { GoldMetric } from '../model/metric.ts'
import { type MetricColumns, metricColumnTypes } from '../model/metric-column.ts'
import { panelKinds, units } from '../model/panel.ts'

/** A metric without what promotion gives it: its task, and its place among the others. */
export type MetricDefinition<
  Name extends string = string,
  Columns extends MetricColumns = MetricColumns,
> = Omit<GoldMetric<Name, Columns>, 'task' | 'position'>

/** Why a definition cannot become a metric. */
export interface Refusal {
  /** A short name of the rule: `grain`. */
  readonly rule: string
  readonly problem: string
  /** What to do about it. */
  readonly advice: string
}

const name = z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, 'expected lower case letters, digits and _')
const sentence = z.string().trim().min(1, 'expected a sentence')
const panelBase = {
  id: z.string().regex(/^[a-z][a-z0-9-]*$/, 'expected lower case letters, digits and -'),
  title: sentence,
  description: sentence,
  unit: z.enum(units),
  value: name,
  measure: name,
}
const nulls = z.enum(['break', 'hold']).optional()
/** The kinds of `Expectation`, of columns of the metric. */
const check = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('notNull'), column: name }),
    z.strictObject({ kind: z.literal('unique'), columns: z.array(name).min(1) }),
    z.strictObject({
      kind: z.literal('between'),
      column: name,
      min: z.number(),
      max: z.number().optional(),
      nulls,
    }),
    z.strictObject({ kind: z.literal('oneOf'), column: name, values: z.array(z.string()).min(1), nulls }),
    z.strictObject({ kind: z.literal('condition'), name: sentence, sql: sentence, nulls }),
    z.strictObject({ kind: z.literal('references'), columns: z.array(name).min(1), relation: name, nulls }),
    z.strictObject({
      kind: z.literal('query'),
      name: sentence,
      sql: sentence,
      of: z.enum(['group', 'relation']).optional(),
    }),
    z.strictObject({ kind: z.literal('freshness'), column: name, maxAgeHours: z.number().positive() }),
    z.strictObject({
      kind: z.literal('drift'),
      within: z.number().positive(),
      weeks: z.number().int().positive().optional(),
      atLeast: z.number().int().positive().optional(),
    }),
  ],
  { error: `expected one of ${expectationKinds.join(', ')}` },
)
const definition = z.strictObject({
  name: name.regex(/_/, 'expected two words or more, such as logins_daily'),
  description: sentence,
  columns: z.record(
    name,
    z.strictObject({
      type: z.enum(metricColumnTypes, { error: `expected one of ${metricColumnTypes.join(', ')}` }),
      description: sentence,
      isLowCardinality: z.boolean().optional(),
    }),
  ),
  grain: z.array(name).min(1),
  sql: sentence,
  checks: z.array(check),
  panels: z.array(
    z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal(panelKinds[0]), aggregate: z.enum(['sum', 'max']), ...panelBase }),
      z.strictObject({
        kind: z.literal(panelKinds[2]),
        label: name,
        days: z.number().int().min(1),
        limit: z.number().int().min(1),
        ...panelBase,
      }),
    ]),
  ),
})

/** Columns that the platform adds to every metric in ClickHouse. */
const addedColumns = ['updated_at', 'load_id', 'provisional']

/**
 * @param changes The metric that the definition is to take the place of, if there is one of its name already.
 * @returns nothing if the declaration is in order; its SQL is judged by `judgeSql`, its rows by `judgeRows`.
 */
export function judgeDefinition(value: unknown, changes: string | undefined): readonly Refusal[] {
  const parsed = definition.safeParse(value)
  if (!parsed.success) {
    return parsed.error.issues.map(({ path, message }) => ({
      rule: 'definition',
      problem: `${path.map(String).join('.') || 'the definition'}: ${message}`,
      advice: 'Correct the definition; `src/pipeline/model/metrics` has some to compare with.',
    }))
  }
  const metric = value as MetricDefinition
  return [
    ...judgeName(metric, changes),
    ...judgeColumns(metric),
    ...judgeChange(metric, changes),
    ...judgeTypes(metric),
    ...judgeUse(metric, changes),
  ]
}

function judgeName(metric: MetricDefinition, changes: string | undefined): readonly Refusal[] {
  const advice = 'Choose another name, or change the metric that is there.'
  if (metric.name === changes) return []
  if (['gold_metric', 'describe_metric'].includes(metric.name))
    return [{ rule: 'name', problem: `${metric.name} is a name of the platform's own code`, advice }]
  if (goldMetrics.some((other) => other.name === metric.name))
    return [{ rule: 'name', problem: `There is a metric ${metric.name} already`, advice }]
  if (joinedViews.some((view) => view.name === metric.name))
    return [{ rule: 'name', problem: `serving.${metric.name} is a view of both layers already`, advice }]
  return []
}

function judgeColumns({ columns, grain }: MetricDefinition): readonly Refusal[] {
  const refusals: Refusal[] = []
  const [first] = grain
  if (first !== 'event_date' || columns['event_date']?.type !== 'date') {
    refusals.push({
      rule: 'grain',
      problem: 'The first column of the grain is not event_date, a date',
      advice: 'A metric has rows by UTC day: select event_date, and name it first in `grain`.',
    })
  }
  const unknown = grain.filter((column) => !(column in columns))
  if (unknown.length > 0) {
    refusals.push({
      rule: 'grain',
      problem: `The grain names ${unknown.join(', ')}, which no column is`,
      advice: `Its columns are ${Object.keys(columns).join(', ')}.`,
    })
  }
  for (const column of addedColumns.filter((each) => each in columns)) {
    refusals.push({
      rule: 'columns',
      problem: `${column} is a column that the platform adds in ClickHouse`,
      advice: 'Give the column another name.',
    })
  }
  return refusals
}

/** ClickHouse and Delta have tables of these columns already. */
function judgeChange({ columns }: MetricDefinition, changes: string | undefined): readonly Refusal[] {
  const former = goldMetrics.find(({ name: other }) => other === changes)
  const shown = (of: MetricColumns): string =>
    Object.entries(of)
      .map(([column, { type }]) => `${column} ${type}`)
      .join(', ')
  if (former === undefined || shown(former.columns) === shown(columns)) return []
  return [
    {
      rule: 'columns',
      problem: `The metric has the columns ${shown(former.columns)}, and the change has ${shown(columns)}`,
      advice: 'Keep the columns, or promote it under another name.',
    },
  ]
}

/** What a check can ask of the type of its column. */
function judgeTypes({ columns, checks, grain, panels }: MetricDefinition): readonly Refusal[] {
  const refusals: Refusal[] = []
  for (const each of checks) {
    if (each.kind !== 'between' && each.kind !== 'oneOf') continue
    const type = columns[each.column]?.type
    const fits = each.kind === 'oneOf' ? type === 'string' : type === 'long' || type === 'double'
    if (type === undefined || fits) continue
    const expected = each.kind === 'oneOf' ? 'texts' : 'numbers'
    refusals.push({
      rule: 'checks',
      problem: `A check of kind ${each.kind} is of ${expected}, and ${each.column} is a ${type}`,
      advice: 'Ask it of another column, or write a condition in SQL.',
    })
  }
  const ids = panels.map(({ id }) => id)
  const doubled = [
    ...grain.filter((column, at) => grain.indexOf(column) !== at),
    ...ids.filter((id, at) => ids.indexOf(id) !== at),
  ]
  for (const named of doubled)
    refusals.push({ rule: 'definition', problem: `${named} is named twice`, advice: 'Name it once.' })
  return refusals
}

/** What checks and panels use. */
function judgeUse(metric: MetricDefinition, changes: string | undefined): readonly Refusal[] {
  const columns = Object.keys(metric.columns)
  const refusals: Refusal[] = []
  const used = [
    ...metric.checks.flatMap((check) => columnsOf(check).map((column) => ['check', column] as const)),
    ...metric.panels.flatMap((panel) => [
      ['panel', panel.measure] as const,
      ...(panel.kind === 'bars' ? [['panel', panel.label] as const] : []),
    ]),
  ]
  for (const [what, column] of used.filter(([, each]) => !columns.includes(each))) {
    refusals.push({
      rule: what === 'check' ? 'checks' : 'panels',
      problem: `A ${what} names ${column}, which no column is`,
      advice: `Its columns are ${columns.join(', ')}.`,
    })
  }
  const others = goldMetrics.filter(({ name: other }) => other !== changes)
  const taken = new Set(others.flatMap(({ panels }) => panels.map(({ id }) => id)))
  for (const { id } of metric.panels.filter((panel) => taken.has(panel.id))) {
    refusals.push({ rule: 'panels', problem: `There is a panel ${id} already`, advice: 'Choose another id.' })
  }
  return refusals
}

/** The columns that an expectation names. */
function columnsOf(check: Expectation): readonly string[] {
  if ('columns' in check) return check.columns
  return 'column' in check ? [check.column] : []
}
