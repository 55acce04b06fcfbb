/** `show`: what a value of the platform looks like below a cell. Outside of a notebook it is printed. */
import { inspect } from 'node:util'
import { countOf } from '../../lib/base/count-of.ts'
import type { Figure } from '../../lib/notebook/figure.ts'
import { heatMap } from '../../lib/notebook/figure.ts'
import { frameRows } from '../../lib/notebook/frame.ts'
import { escapeHtml, type HtmlTableOptions, htmlTable } from '../../lib/notebook/html-table.ts'
import { columnNames } from '../../lib/notebook/named-rows.ts'
import { figureOutput, type Output, sendOutput } from '../../lib/notebook/output.ts'
import { isRowFrame } from '../../lib/notebook/typed-columns.ts'
import type { Explanation, Ledger, MessageTrace, Reconciliation } from '../books.ts'
import type { RunRecord } from '../runs.ts'
import type { ArrowTable, TableDiff } from '../table.ts'

import { ganttOf, isLineage, isRun, isTaskGraph, lineagePicture, taskPicture } from './pictures.ts'

export type ShowOptions = HtmlTableOptions

/**
 * Shows rows, a data frame or an Arrow table as a table that sorts, filters and pages; a figure as a chart; and what
 * `lake.ledger()`, `lake.reconcile()`, `lake.explain()`, `lake.trace()`, `.diff()`, `lake.run()`, `lake.dag()` and
 * `lake.lineage()` answer with as what they say.
 */
export function show(value: unknown, options: ShowOptions = {}): void {
  const outputs = outputsOf(value, options)
  if (outputs === undefined || !outputs.every((output) => sendOutput(output))) console.log(value)
}

/** The last expression of a cell shows itself by this. @returns false for a value that is printed instead. */
export function showItself(value: unknown): boolean {
  return outputsOf(value, {})?.every((output) => sendOutput(output)) ?? false
}

/** `undefined` for what has no form but its text. */
export function outputsOf(value: unknown, options: ShowOptions): readonly Output[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (isFigure(value)) return [figureOutput(value)]
  if (Array.isArray(value)) return isRows(value) ? [tableOutput(value, options)] : undefined
  if (isArrow(value)) return [tableOutput(firstRows(value), options)]
  if (isRowFrame(value)) return [tableOutput(frameRows(value), options)]
  if (isLedger(value)) return ledgerOutputs(value)
  if (isReconciliation(value)) return reconciliationOutputs(value)
  if (isDiff(value)) return diffOutputs(value)
  if (isExplanation(value)) return explanationOutputs(value)
  if (isTrace(value)) return traceOutputs(value)
  if (isRun(value)) return runOutputs(value)
  if (isTaskGraph(value)) return [taskPicture(value)]
  if (isLineage(value)) return [lineagePicture(value)]
  return undefined
}

const isRows = (value: readonly unknown[]): value is readonly object[] =>
  value.every((row) => typeof row === 'object' && row !== null && !Array.isArray(row) && isPlain(row))

/** An instance of a class has its own way to be printed. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

const isFigure = (value: object): value is Figure =>
  'data' in value && Array.isArray(value.data) && 'layout' in value && typeof value.layout === 'object'
const isArrow = (value: object): value is ArrowTable =>
  'numRows' in value && 'schema' in value && 'getChild' in value
const isLedger = (value: object): value is Ledger => 'balanced' in value && 'identities' in value
const isReconciliation = (value: object): value is Reconciliation =>
  'balanced' in value && 'differences' in value
const isDiff = (value: object): value is TableDiff =>
  'added' in value && 'removed' in value && 'changed' in value && 'rows' in value
const isExplanation = (value: object): value is Explanation =>
  'values' in value && 'inputs' in value && 'offsets' in value
const isTrace = (value: object): value is MessageTrace => 'steps' in value && 'offset' in value

function tableOutput(rows: readonly object[], options: ShowOptions): Output {
  const plain = `${countOf(rows.length, 'row')}: ${columnNames(rows.slice(0, 1)).join(', ')}`
  return { 'text/html': htmlTable(rows, options), 'text/plain': plain }
}

const sentence = (words: string): Output => ({
  'text/html': `<p>${escapeHtml(words)}</p>`,
  'text/plain': words,
})

const shownArrowRows = 1_000

/** More than a table shows is not taken out of an Arrow table. */
function firstRows(table: ArrowTable): readonly object[] {
  const count = Math.min(table.numRows, shownArrowRows)
  return Array.from({ length: count }, (_, index) => table.get(index)?.toJSON() ?? {})
}

function ledgerOutputs({ balanced, identities }: Ledger): readonly Output[] {
  const wrong = identities.filter(({ problem, accepted }) => problem !== undefined && accepted === undefined)
  const words = balanced
    ? `The books balance: ${countOf(identities.length, 'identity', 'identities')} hold.`
    : `The books do not balance: ${wrong.length} of ${countOf(identities.length, 'identity', 'identities')} do not hold.`
  const rows = [...wrong, ...identities.filter((identity) => !wrong.includes(identity))]
  return [
    sentence(words),
    tableOutput(
      rows.map(({ name, table, date, partition, left, right, problem, accepted }) => ({
        table,
        of: date ?? (partition === undefined ? '' : `partition ${partition}`),
        identity: name,
        left,
        right,
        problem: problem ?? '',
        accepted: accepted ?? '',
      })),
      {},
    ),
  ]
}

function reconciliationOutputs({ balanced, differences }: Reconciliation): readonly Output[] {
  const explained = differences.filter(({ unexplained }) => unexplained === 0).length
  if (differences.length === 0) return [sentence('Batch and speed layer agree in every window.')]
  const words = `Batch and speed layer differ in ${countOf(differences.length, 'window')}; ${explained === differences.length ? 'all of them are' : `${explained} of them are`} explained${balanced ? '.' : ': the books do not balance.'}`
  const cells = new Map<string, { hour: string; table: string; differing: number }>()
  for (const { window, table, realtime, batch } of differences) {
    const hour = window.slice(0, '2026-01-31T12'.length).replace('T', ' ')
    const cell = cells.get(`${hour} ${table}`) ?? { hour, table, differing: 0 }
    cell.differing += Math.abs(realtime - batch)
    cells.set(`${hour} ${table}`, cell)
  }
  const hours = [...cells.values()].sort((a, b) => (a.hour < b.hour ? -1 : 1))
  const figure = heatMap(hours, {
    x: 'hour',
    y: 'table',
    value: 'differing',
    title: 'Events that only one layer has, by hour',
  })
  return [
    sentence(words),
    figureOutput(figure),
    tableOutput(
      differences.map(({ rows: _, ...window }) => window),
      {},
    ),
  ]
}

function diffOutputs({ table, from, to, added, removed, changed, rows }: TableDiff): readonly Output[] {
  const words = `${table}, version ${from} to ${to}: ${countOf(added, 'row')} added, ${removed} removed, ${changed} changed.`
  return [sentence(words), ...(rows.length === 0 ? [] : [tableOutput(rows, {})])]
}

function explanationOutputs(explanation: Explanation): readonly Output[] {
  const { table, date, version, release, run, values, inputs, offsets } = explanation
  const of = [
    `version ${version}`,
    ...(release === undefined ? [] : [`release ${release}`]),
    ...(run === undefined ? [] : [`run ${run}`]),
  ]
  return [
    sentence(`${table} of ${date}, ${of.join(', ')}:`),
    tableOutput(values, {}),
    sentence('Made from:'),
    tableOutput(
      inputs.map(({ files, ...input }) => ({ ...input, files: files.length })),
      {},
    ),
    sentence('Which came from the log at:'),
    tableOutput(offsets, {}),
  ]
}

function traceOutputs({ topic, partition, offset, steps }: MessageTrace): readonly Output[] {
  return [
    sentence(`${topic}, partition ${partition}, offset ${offset}:`),
    tableOutput(
      steps.map(({ stage, state, at, details }) => ({
        stage,
        state,
        at: at ?? '',
        details: Object.entries(details)
          .map(([name, value]) => `${name} ${typeof value === 'object' ? inspect(value) : String(value)}`)
          .join(', '),
      })),
      {},
    ),
  ]
}

function runOutputs(run: RunRecord): readonly Output[] {
  const { id, dag, state, trigger, startedAt, error, attempts } = run
  const words = `Run ${id} of ${dag}: ${state}; ${trigger}, ${startedAt === null ? 'not begun yet' : `started ${startedAt}`}.`
  return [
    sentence(error === null ? words : `${words} ${error}`),
    ganttOf(run),
    tableOutput(
      attempts.map((attempt) => ({ ...attempt, error: attempt.error ?? '' })),
      {},
    ),
  ]
}
