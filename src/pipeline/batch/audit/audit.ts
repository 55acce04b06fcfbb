/**
 * The audit between stage and commit: the checks of severity `fail`, and then the gates, asked of files that nobody sees
 * yet.
 *
 * What breaks a check, or is refused by a gate, is not committed. Its files stay as a candidate that can be looked at until vacuum removes them.
 */
import { systemClock } from '../../../lib/base/clock.ts'
import { countOf } from '../../../lib/base/count-of.ts'
import { LakeError, messageOf } from '../../../lib/base/errors.ts'
import type { IoOptions } from '../../../lib/base/io.ts'
import {
  type AddFile,
  type DeltaTable,
  encodeStagedVersion,
  type Snapshot,
  type StagedFiles,
} from '../../../lib/delta/index.ts'
import type { Row } from '../../../lib/duckdb/values.ts'
import { type ExpectationResult, evaluateExpectations } from '../../../lib/quality/evaluate.ts'
import { describeExpectation, type Expectation, isOfRelation } from '../../../lib/quality/expectation.ts'
import { dateList, dayColumn, dayOf } from '../../model/days.ts'
import { type LakeTable, rowKey } from '../../model/tables.ts'
import { createReferencedViews, historyOf } from '../../query/asked-of.ts'
import type { BrokenCheck, CandidateContent, RefusingGate } from '../../query/candidate-summary.ts'
import { isByDay } from '../days.ts'
import type { MakeContext } from '../make.ts'
import { askGates, type Gate, type PassedGate, refusalText } from './gate.ts'

export interface StagedDays {
  readonly target: LakeTable
  /** The version that the files were staged for. */
  readonly before: Snapshot
  readonly staged: StagedFiles
  /** The days that were made, in groups that are audited one by one. Rows of other days in the same files were audited before. */
  readonly groups: readonly (readonly string[])[]
  readonly input: PinnedTable
  readonly task: string
  readonly runId: number
}

export interface PinnedTable {
  readonly table: LakeTable
  readonly snapshot: Snapshot
}

/** @throws LakeError `CHECK_FAILED` naming table, days, checks and rows. The files are no longer the caller's then. */
export async function auditStaged(
  context: MakeContext,
  made: StagedDays,
  checks: readonly Expectation[],
  { signal }: IoOptions = {},
): Promise<void> {
  const { target, before, staged, groups, input, runId } = made
  const table = context.table(target)
  const broken = await brokenOf(
    context,
    { table: target, snapshot: before, files: staged.files, groups, input },
    checks,
    { signal },
  ).catch(async (error: unknown) => {
    await table.discard(staged)
    throw error
  })
  if (broken.length === 0) return
  const isKept = await keepCandidate(context, table, made, { broken })
  throw new LakeError('CHECK_FAILED', `${target}: ${wordsOf(target, broken)}`, {
    details: {
      table: target,
      failed: broken.map(checkOf),
      ...(isKept && { fault: 'candidate-kept', runId }),
    },
  })
}

/**
 * @param replaced files of the version before that the staged ones take the place of: what stays is shown beside them.
 * @returns the gates that have let the table pass.
 * @throws LakeError `CHECK_FAILED` naming the gates that refuse it. The files are no longer the caller's then.
 */
export async function judgeStaged(
  context: MakeContext,
  made: StagedDays & { readonly replaced: readonly AddFile[] },
  gates: readonly Gate[],
  { signal }: IoOptions = {},
): Promise<readonly PassedGate[]> {
  if (gates.length === 0) return []
  const { target, input, before, staged, replaced, groups, task, runId } = made
  const table = context.table(target)
  const gone = new Set(replaced)
  const files = [...before.files.filter((file) => !gone.has(file)), ...staged.files]
  const version = encodeStagedVersion(before, files)
  const { passed, refusing } = await askGates(
    gates,
    {
      run: runId,
      task,
      tables: { [target]: { days: groups.flat(), version } },
      madeFrom: { [input.table]: input.snapshot.version },
    },
    { signal },
  ).catch(async (error: unknown) => {
    await table.discard(staged)
    throw error
  })
  if (refusing.length === 0) return passed
  const isKept = await keepCandidate(context, table, made, { refusing })
  throw new LakeError('CHECK_FAILED', `${target}: ${refusalText(refusing)}`, {
    details: {
      table: target,
      gates: refusing,
      runId,
      fault: isKept ? 'gate-refused' : 'gate-refused-discarded',
    },
  })
}

/**
 * The checks of the input that hold up this target alone: its other readers get the rows.
 *
 * @throws LakeError `CHECK_FAILED` naming the input, days, checks and rows.
 */
export async function auditInput(
  context: MakeContext,
  {
    target,
    input,
    files,
    groups,
  }: Pick<StagedDays, 'target' | 'input' | 'groups'> & { readonly files: readonly AddFile[] },
  checks: readonly Expectation[],
  { signal }: IoOptions = {},
): Promise<void> {
  const broken = await brokenOf(context, { ...input, files, groups, input }, checks, { signal })
  if (broken.length === 0) return
  throw new LakeError(
    'CHECK_FAILED',
    `${target} is not made from ${input.table}: ${wordsOf(input.table, broken)}`,
    { details: { table: input.table, target, failed: broken.map(checkOf) } },
  )
}

interface AskedFiles extends PinnedTable {
  readonly files: readonly AddFile[]
  readonly groups: readonly (readonly string[])[]
  /** The version of the input that references to it are compared with. */
  readonly input: PinnedTable
}

async function brokenOf(
  { table, duckdb, checks: results, clock = systemClock, logger }: MakeContext,
  { table: name, snapshot, files, groups, input }: AskedFiles,
  checks: readonly Expectation[],
  { signal }: IoOptions,
): Promise<readonly ExpectationResult[]> {
  if (checks.length === 0) return []
  const snapshotOf = (of: LakeTable): Promise<Snapshot> =>
    of === input.table ? Promise.resolve(input.snapshot) : table(of).snapshot({ signal })
  const history = await historyOf(results, name, checks, { signal })
  const found = await duckdb.use(async (session) => {
    await createReferencedViews(session, table, checks, snapshotOf, { signal })
    const results: ExpectationResult[] = []
    for (const part of partsToAsk(checks, snapshot, files, groups)) {
      const scan = await table(name).scan(session, snapshot, { files: part.files, signal })
      const rows = `(select * from (${scan}) where ${dayColumn} in (${dateList(part.days)}))`
      const asked = await evaluateExpectations(session, rows, part.checks, {
        groupBy: dayColumn,
        orderBy: rowKey(name),
        nowMs: clock.now(),
        history,
        signal,
      })
      results.push(...asked)
    }
    return inOrderOf(checks, results)
  })
  for (const { expectation, group, outcome, problem } of found) {
    if (outcome !== 'unknown') continue
    logger?.warn({ table: name, day: group, check: expectation, problem }, 'A check could not be decided')
  }
  return found.filter(({ outcome }) => outcome === 'breaks')
}

interface PartToAsk {
  readonly checks: readonly Expectation[]
  readonly files: readonly AddFile[]
  readonly days: readonly string[]
}

/** What is of single days is asked of one group after the other; what is of the relation, of all. */
function partsToAsk(
  checks: readonly Expectation[],
  snapshot: Snapshot,
  files: readonly AddFile[],
  groups: readonly (readonly string[])[],
): readonly PartToAsk[] {
  const all = { checks, files, days: groups.flat() }
  if (groups.length === 1 || !isByDay(snapshot)) return [all]
  const isOfAll = (check: Expectation): boolean => isOfRelation(check) || check.kind === 'drift'
  const [ofAll, ofDays] = [checks.filter(isOfAll), checks.filter((check) => !isOfAll(check))]
  const dayIn = snapshot.partitionValue(dayColumn)
  return [
    ...groups
      .map((days) => ({
        checks: ofDays,
        files: files.filter((file) => days.includes(dayOf(dayIn(file)))),
        days,
      }))
      .filter((part) => part.files.length > 0),
    { ...all, checks: ofAll },
  ].filter((part) => part.checks.length > 0)
}

/** As one scan of all days would have them. */
function inOrderOf(
  checks: readonly Expectation[],
  results: readonly ExpectationResult[],
): readonly ExpectationResult[] {
  const place = new Map(checks.map((check, at) => [describeExpectation(check), at]))
  return [...results].sort((a, b) => (place.get(a.expectation) ?? 0) - (place.get(b.expectation) ?? 0))
}

const checkOf = ({ expectation, group, violations }: ExpectationResult): BrokenCheck => ({
  check: expectation,
  date: group ?? null,
  violations,
})

/** @returns whether it can be looked at. If it cannot be recorded, the refusal is told all the same. */
async function keepCandidate(
  { candidates, logger }: MakeContext,
  table: DeltaTable,
  { target, before, staged, groups, task, runId }: StagedDays,
  {
    broken = [],
    refusing = [],
  }: { readonly broken?: readonly ExpectationResult[]; readonly refusing?: readonly RefusingGate[] },
): Promise<boolean> {
  const content: CandidateContent = {
    task,
    days: groups.flat(),
    checks: broken.map(checkOf),
    gates: [...refusing],
    version: encodeStagedVersion(before, staged.files),
  }
  try {
    await candidates?.keep({ runId, table: target, rows: staged.rows, content })
    if (candidates !== undefined) return true
  } catch (error) {
    logger?.warn({ table: target, runId, reason: messageOf(error) }, 'The refused rows could not be kept')
  }
  await table.discard(staged)
  return false
}

/** So many checks and days are named, and so many rows of each. */
const namedResults = 5

function wordsOf(table: LakeTable, broken: readonly ExpectationResult[]): string {
  const named = broken
    .slice(0, namedResults)
    .map((result) => `${result.group === undefined ? '' : `${result.group}: `}${resultWords(table, result)}`)
  const more = broken.length - named.length
  return [...named, ...(more > 0 ? [`${more} more`] : [])].join('; ')
}

function resultWords(
  table: LakeTable,
  { expectation, violations, problem, sample }: ExpectationResult,
): string {
  if (problem !== undefined) return `expected that ${expectation}: ${problem}`
  const rows = sample.map((row) => nameOf(row, table)).join(', ')
  const more = violations > sample.length ? ', …' : ''
  const breaks = violations === 1 ? 'breaks' : 'break'
  return `expected ${expectation}, ${countOf(violations, 'row')} ${breaks} it (${rows}${more})`
}

/** `0/17` of a row that has a place in the log, else its grain. */
function nameOf(row: Row, table: LakeTable): string {
  const key = rowKey(table).filter((column) => column in row)
  return (key.length === 0 ? Object.keys(row) : key).map((column) => String(row[column])).join('/')
}
