/** What is told by the run store alone: runs, schedule, checks and the books. */
import type { IoOptions } from '../../lib/base/io.ts'
import { someOf } from '../../lib/base/some-of.ts'
import type { Alert, KnownAlert } from '../../lib/runs/alerts/alert-book.ts'
import type { RunState, RunWithAttempts } from '../../lib/runs/run.ts'
import type { RunStore } from '../../lib/runs/run-store.ts'
import { type Cron, ticksBetween } from '../../lib/schedule/cron.ts'
import { batchDag } from '../batch/dag-name.ts'
import { lakeTableNames } from '../model/tables.ts'
import { isBalanced } from '../reconcile/audit-book.ts'
import { identityNames } from '../reconcile/identity-names.ts'
import { identityIn } from '../reconcile/ledger/recorded-identity.ts'

/** What to do about an error that was recorded, in words. */
export type HintOf = (error: unknown, facts?: Readonly<Record<string, unknown>>) => string

const judgedStates: readonly RunState[] = ['succeeded', 'unchanged', 'failed', 'abandoned']
const windowRuns = 100

/** The newest run of each DAG that has ended. A gate is judged with the batch that has asked it. */
export async function failedRuns(
  { runs }: Pick<RunStore, 'runs'>,
  { known, hintOf, signal }: IoOptions & { readonly known: readonly KnownAlert[]; readonly hintOf: HintOf },
): Promise<readonly Alert[]> {
  const seen = await runs.list({ limit: windowRuns }, { signal })
  const dags = new Set([
    ...seen.filter(({ trigger }) => trigger !== 'gate').map(({ dag }) => dag),
    // Many runs of others may have come since.
    ...known.flatMap(({ key }) => (key.startsWith('run/') ? [key.slice('run/'.length)] : [])),
  ])
  const found: Alert[] = []
  for (const dag of dags) {
    const [newest] = await runs.list({ dag, states: judgedStates, limit: 1 }, { signal })
    if (newest?.state === 'failed' || newest?.state === 'abandoned') found.push(ofRun(newest, hintOf))
  }
  return found
}

function ofRun({ id, dag, state, error, attempts }: RunWithAttempts, hintOf: HintOf): Alert {
  const failed = attempts.findLast((attempt) => attempt.error !== undefined)
  const cause = failed?.error ?? error
  const where = failed === undefined ? '' : `${failed.node}: `
  return {
    key: `run/${dag}`,
    summary: state === 'failed' ? `Run ${id} of ${dag} failed` : `Run ${id} of ${dag} was killed`,
    problem: cause === undefined ? 'Its process ended without a word.' : `${where}${cause.message}`,
    next: `\`lake runs show ${id}\`${cause === undefined ? '' : `. ${hintOf(cause, { runId: id })}`}`,
  }
}

/** The batch is stale if two of its ticks have come since one was made whole, and none succeeded. */
export async function staleBatch(
  { runs, ticks }: Pick<RunStore, 'runs' | 'ticks'>,
  { cron, nowMs, signal }: IoOptions & { readonly cron: Cron; readonly nowMs: number },
): Promise<readonly Alert[]> {
  // Where no schedule was ever started, nobody has promised anything.
  if ((await ticks.latest(batchDag, { signal })) === undefined) return []
  const [newest] = await runs.list(
    { dag: batchDag, states: ['succeeded', 'unchanged'], limit: 1 },
    { signal },
  )
  const madeMs = newest?.startedMs
  if (madeMs === undefined) return []
  const missed = ticksBetween(cron, madeMs, nowMs)?.count ?? 0
  if (missed < 2) return []
  return [
    {
      key: 'stale/batch',
      summary: 'Silver and gold are stale',
      problem: `The newest batch that succeeded began at ${new Date(madeMs).toISOString()}; ${missed} ticks of ${cron.text} (${cron.zone.name}) have come since.`,
      next: '`lake runs list` says what became of them; `lake schedule` has to run. `lake batch` makes the tables now.',
    },
  ]
}

/** Checks whose newest result of some day is red. */
export async function redChecks(
  { checks }: Pick<RunStore, 'checks'>,
  { signal }: IoOptions,
): Promise<readonly Alert[]> {
  const found: Alert[] = []
  for (const table of lakeTableNames) {
    const days = new Map<string, string[]>()
    for (const { check, date, state } of await checks.newest(table, { signal })) {
      if (state === 'failed') days.set(check, [...(days.get(check) ?? []), date ?? 'the table as a whole'])
    }
    for (const [check, red] of days) {
      found.push({
        key: keyOf('check', table, check),
        summary: `Check ${check} of ${table} is red`,
        problem: `It failed for ${someOf(red)}.`,
        next: `\`lake check ${table}\` shows the rows.`,
      })
    }
  }
  return found
}

/** Identities of the ledger that do not hold, and that nobody has accepted. */
export async function unexplainedDifferences(
  { ledger }: Pick<RunStore, 'ledger'>,
  { signal }: IoOptions,
): Promise<readonly Alert[]> {
  const broken = new Map<string, { table: string; name: string; problems: string[] }>()
  for (const entry of (await ledger.newest({ signal })).values()) {
    const identity = identityIn(entry)
    if (isBalanced(identity)) continue
    const { name, table, date, partition, problem = '' } = identity
    const key = keyOf('difference', table, name)
    const of = broken.get(key) ?? { table, name, problems: [] }
    const place = date ?? (partition === undefined ? undefined : `partition ${partition}`)
    of.problems.push(place === undefined ? problem : `${place}: ${problem}`)
    broken.set(key, of)
  }
  return [...broken].map(([key, { table, name, problems }]) => ({
    key,
    summary: `The books do not balance: ${name} of ${table}`,
    problem: someOf(problems),
    next: `\`${name === identityNames.windows ? 'lake reconcile' : 'lake ledger'}\` names the rows; \`lake trace PARTITION OFFSET\` tells the way of one.`,
  }))
}

/** The store holds 191 characters. */
const keyOf = (...parts: readonly string[]): string => parts.join('/').slice(0, 191)
