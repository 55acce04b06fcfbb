/** The answers of the REST API as schemas. The types of server and page, and `openapi.json`, come from them. */
import { z } from 'zod'
import { attemptStates, runStates, triggers } from '../lib/runs/run.ts'
import { metricColumnTypes } from '../pipeline/model/metric-column.ts'
import { layers, panelKinds, panelLayers, panelRows, units } from '../pipeline/model/panel.ts'
import { stageStates } from '../pipeline/platform/stream-status.ts'

/** ISO 8601, UTC. */
const time = z.iso.datetime()

export const problemSchema = z.object({
  /** Code of the error catalogue. */
  code: z.string(),
  message: z.string(),
  hint: z.string(),
})
export type Problem = z.infer<typeof problemSchema>

/** Of anything that was read from somewhere else and may be old. */
const reading = {
  /** When it was read; null when it never was. */
  readAt: time.nullable(),
  /** The newest attempt to read failed or has not ended: what is shown is older than it should be. */
  isStale: z.boolean(),
  problem: problemSchema.nullable(),
}

export const freshnessSchema = z.object({
  layer: z.enum(layers),
  /** How new the data is: the load's time, or when the speed layer last wrote. Null: nothing yet. */
  asOf: time.nullable(),
  /** From here on figures are provisional: the batch's boundary, or the first window that is still open. */
  provisionalFrom: time.nullable(),
  /** The newest event that the speed layer has counted. */
  newestEvent: time.nullable(),
  /** The first window that the speed layer has counted: a day that it does not begin is not whole. */
  oldestWindow: time.nullable(),
})
export type Freshness = z.infer<typeof freshnessSchema>

const statSchema = z.object({
  kind: z.literal('stat'),
  /** Days ascending; the last one is the figure. */
  days: z.array(z.object({ day: z.iso.date(), value: z.number(), isProvisional: z.boolean() })),
})
const timeseriesSchema = z.object({
  kind: z.literal('timeseries'),
  from: time,
  to: time,
  /** How long a bin is; each point is one, named by its beginning. */
  stepSeconds: z.number(),
  series: z.array(z.object({ label: z.string(), points: z.array(z.object({ time, value: z.number() })) })),
})
const barsSchema = z.object({
  kind: z.literal('bars'),
  /** `provisional` is the part of `value` that may still change. */
  bars: z.array(z.object({ label: z.string(), value: z.number(), provisional: z.number() })),
})

export const figuresSchema = z.discriminatedUnion('kind', [statSchema, timeseriesSchema, barsSchema])
export type Figures = z.infer<typeof figuresSchema>
export type StatFigures = z.infer<typeof statSchema>
export type TimeseriesFigures = z.infer<typeof timeseriesSchema>
export type BarsFigures = z.infer<typeof barsSchema>

export const panelAnswerSchema = z.object({
  id: z.string(),
  title: z.string(),
  description: z.string(),
  kind: z.enum(panelKinds),
  style: z.enum(['stacked', 'lines']).nullable(),
  row: z.enum(panelRows),
  layer: z.enum(panelLayers),
  unit: z.enum(units),
  /** How new the data is that `figures` shows. */
  asOf: time.nullable(),
  provisionalFrom: time.nullable(),
  /** Null when the panel could never be read. */
  figures: figuresSchema.nullable(),
  ...reading,
})
export type PanelAnswer = z.infer<typeof panelAnswerSchema>

export const stoppedStageSchema = z.object({ stage: z.string(), stoppedAt: time, problem: problemSchema })
export type StoppedStage = z.infer<typeof stoppedStageSchema>

/** A streaming stage of any machine that does not run as it should, or that somebody has paused. */
export const stageTroubleSchema = z.object({
  stage: z.string(),
  state: z.enum(stageStates),
  host: z.string(),
  heardAt: time,
  problem: problemSchema.nullable(),
})
export type StageTrouble = z.infer<typeof stageTroubleSchema>

export const overviewSchema = z.object({
  title: z.string(),
  now: time,
  rangeMinutes: z.number(),
  /** What the platform beside this console does before it is up, and how far; null when it is up. */
  comingUp: z
    .object({ step: z.string(), done: z.number().nullable(), total: z.number().nullable() })
    .nullable(),
  /** Stages beside this console that ended by a failure: what they feed gets no newer. */
  stoppedStages: z.array(stoppedStageSchema),
  /** Of all machines, as `lake stream status` judges them. */
  stageTroubles: z.array(stageTroubleSchema),
  freshness: z.array(freshnessSchema),
  panels: z.array(panelAnswerSchema),
})
export type Overview = z.infer<typeof overviewSchema>

const metricDeclaration = z.object({
  name: z.string(),
  description: z.string(),
  /** Columns that name one row. */
  grain: z.array(z.string()),
  columns: z.array(z.object({ name: z.string(), type: z.enum(metricColumnTypes), description: z.string() })),
})
export const metricsSchema = z.object({ metrics: z.array(metricDeclaration) })
export type MetricsAnswer = z.infer<typeof metricsSchema>

export const metricSchema = metricDeclaration.extend({
  /** Newest day first: the columns, and `provisional`. A whole number keeps all its digits. */
  rows: z.array(z.record(z.string(), z.unknown())),
})
export type MetricAnswer = z.infer<typeof metricSchema>

export const tableSummarySchema = z.object({
  name: z.string(),
  /** Null in all that follows: the table is not there yet, or its log does not say. */
  version: z.number().nullable(),
  rows: z.number().nullable(),
  files: z.number().nullable(),
  sizeBytes: z.number().nullable(),
  committedAt: time.nullable(),
  operation: z.string().nullable(),
  /** The newest attempt to read this table failed: the figures are those of the last one that did not. */
  problem: problemSchema.nullable(),
})
export type TableSummary = z.infer<typeof tableSummarySchema>

export const tablesSchema = z.object({ tables: z.array(tableSummarySchema), ...reading })
export type TablesAnswer = z.infer<typeof tablesSchema>

export const taskSchema = z.object({
  node: z.string(),
  attempt: z.number(),
  state: z.enum(attemptStates),
  startedAt: time.nullable(),
  endedAt: time.nullable(),
  /** Of an attempt that is up for retry, or was: when it is due. */
  retryAt: time.nullable(),
  rowsIn: z.number().nullable(),
  rowsOut: z.number().nullable(),
  versionsBefore: z.record(z.string(), z.number().nullable()),
  versionsAfter: z.record(z.string(), z.number().nullable()),
  error: problemSchema.nullable(),
})
export type Task = z.infer<typeof taskSchema>

export const runSchema = z.object({
  id: z.number(),
  dag: z.string(),
  trigger: z.enum(triggers),
  state: z.enum(runStates),
  /** Of a retry or a replay: the run that it repeats. */
  firstRun: z.number().nullable(),
  queuedAt: time.nullable(),
  /** null until its turn has come. */
  startedAt: time.nullable(),
  endedAt: time.nullable(),
  error: problemSchema.nullable(),
  /** In the order of the DAG, then by attempt. */
  tasks: z.array(taskSchema),
})
export type RunAnswer = z.infer<typeof runSchema>

/** By the settings of this console. */
const scheduleSchema = z.object({
  cron: z.string(),
  /** IANA name. */
  timeZone: z.string(),
  next: time,
})

export const runsSchema = z.object({
  runs: z.array(runSchema),
  schedule: scheduleSchema.nullable(),
  ...reading,
})
export type RunsAnswer = z.infer<typeof runsSchema>

const identitySchema = z.object({
  /** The equation in words. */
  name: z.string(),
  /** Days, partitions or tables of which it was audited. */
  audited: z.number(),
  /** Sums of both sides. */
  left: z.number(),
  right: z.number(),
  /** Of how many it does not hold. */
  wrong: z.number(),
  /** Of how many it does not hold, and somebody has said why that is right. */
  accepted: z.number(),
})
export type BooksIdentity = z.infer<typeof identitySchema>

const booksProblemSchema = z.object({
  name: z.string(),
  table: z.string(),
  date: z.iso.date().nullable(),
  partition: z.number().nullable(),
  problem: z.string(),
})

export const booksSchema = z.object({
  /** Null: no audit has been recorded yet. */
  isBalanced: z.boolean().nullable(),
  /** The newest batch whose audit has ended. */
  audit: z.object({ run: z.number(), endedAt: time }).nullable(),
  /** What readers see. */
  release: z.object({ id: z.number(), run: z.number(), releasedAt: time }).nullable(),
  /** On the way of an event. */
  identities: z.array(identitySchema),
  /** What is wrong and not accepted, at most twenty. */
  problems: z.array(booksProblemSchema),
  ...reading,
})
export type BooksAnswer = z.infer<typeof booksSchema>

export const healthSchema = z.object({
  isHealthy: z.boolean(),
  parts: z.array(
    z.object({
      name: z.enum(['clickhouse', 'tables', 'runs', 'stages']),
      isHealthy: z.boolean(),
      problem: problemSchema.nullable(),
    }),
  ),
})
export type Health = z.infer<typeof healthSchema>
