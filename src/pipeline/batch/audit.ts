/**
 * The audit between stage and commit: the checks of severity `fail`, asked of files that nobody sees yet.
 *
 * What breaks a check is not committed. Its files stay as a candidate that can be looked at until vacuum removes them.
 */
import { countOf } from '../../lib/base/count-of.ts'
import { LakeError, messageOf } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import {
  type DeltaTable,
  encodeStagedVersion,
  type Snapshot,
  type StagedFiles,
} from '../../lib/delta/index.ts'
import type { Row } from '../../lib/duckdb/values.ts'
import { type ExpectationResult, evaluateExpectations } from '../../lib/quality/evaluate.ts'
import type { Expectation } from '../../lib/quality/expectation.ts'
import { dayColumn } from '../model/days.ts'
import { type LakeTable, rowKey } from '../model/tables.ts'
import type { BrokenCheck, CandidateContent } from './candidate.ts'
import type { MakeContext } from './make.ts'

export interface StagedDays {
  readonly target: LakeTable
  /** The version that the files were staged for. */
  readonly before: Snapshot
  readonly staged: StagedFiles
  readonly days: readonly string[]
  readonly task: string
  readonly runId: number
}

/** @throws LakeError `CHECK_FAILED` naming table, days, checks and rows. The files are no longer the caller's then. */
export async function auditStaged(
  context: MakeContext,
  made: StagedDays,
  checks: readonly Expectation[],
  { signal }: IoOptions = {},
): Promise<void> {
  const { target, before, staged, runId } = made
  const table = context.table(target)
  const results = await context.duckdb
    .use(async (session) => {
      const select = await table.scan(session, before, { files: staged.files, signal })
      return await evaluateExpectations(session, `(${select})`, checks, {
        groupBy: dayColumn,
        orderBy: rowKey(target),
        signal,
      })
    })
    .catch(async (error: unknown) => {
      await table.discard(staged)
      throw error
    })
  const broken = results.filter(({ violations }) => violations > 0)
  if (broken.length === 0) return
  const isKept = await keepCandidate(context, table, made, broken)
  throw new LakeError('CHECK_FAILED', `${target}: ${wordsOf(target, broken)}`, {
    details: {
      table: target,
      failed: broken.map(checkOf),
      ...(isKept && { fault: 'candidate-kept', runId }),
    },
  })
}

const checkOf = ({ expectation, group = '', violations }: ExpectationResult): BrokenCheck => ({
  check: expectation,
  date: group,
  violations,
})

/** @returns whether it can be looked at. If it cannot be recorded, the refusal is told all the same. */
async function keepCandidate(
  { candidates, logger }: MakeContext,
  table: DeltaTable,
  { target, before, staged, days, task, runId }: StagedDays,
  broken: readonly ExpectationResult[],
): Promise<boolean> {
  const content: CandidateContent = {
    task,
    days: [...days],
    checks: broken.map(checkOf),
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
  const named = broken.slice(0, namedResults).map(({ expectation, group = '', violations, sample }) => {
    const rows = sample.map((row) => nameOf(row, table)).join(', ')
    const more = violations > sample.length ? ', …' : ''
    const breaks = violations === 1 ? 'breaks' : 'break'
    return `${group}: expected ${expectation}, ${countOf(violations, 'row')} ${breaks} it (${rows}${more})`
  })
  const more = broken.length - named.length
  return [...named, ...(more > 0 ? [`${more} more`] : [])].join('; ')
}

/** `0/17` of a row that has a place in the log, else its grain. */
function nameOf(row: Row, table: LakeTable): string {
  return rowKey(table)
    .map((column) => String(row[column]))
    .join('/')
}
