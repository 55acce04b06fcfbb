/** Runs, the DAG and the lineage over the parts of the platform. */
import { LakeError } from '../lib/base/errors.ts'
import type { Attempt, Run } from '../lib/runs/run.ts'
import { batchGraph } from '../pipeline/batch/batch.ts'
import { batchDag } from '../pipeline/batch/dag-name.ts'
import type { Platform } from '../pipeline/platform/compose.ts'
import { batchContextOf } from '../pipeline/platform/stages.ts'
import { ask } from './cell.ts'
import type { TableSummary } from './lake.ts'
import type { RunAttempt, RunSummary, Runs } from './runs.ts'

/** @param tables As `lake.tables` has them. */
export function createRuns(platform: Platform, tables: () => Promise<readonly TableSummary[]>): Runs {
  return {
    runs: ({ limit = 20 } = {}) =>
      ask('lake.runs', async (signal) => {
        if (!Number.isInteger(limit) || limit < 1)
          throw new LakeError('USAGE', `lake.runs: limit must be a whole number from 1, got ${limit}`)
        const { runs } = await platform.runs()
        return (await runs.list({ limit }, { signal })).map(summaryOf)
      }),

    run: (id) =>
      ask('lake.run', async (signal) => {
        const { runs } = await platform.runs()
        const run =
          id === undefined
            ? await runs.latest({ dag: batchDag }, { signal })
            : await runs.show(id, { signal })
        if (run === undefined) throw new LakeError('RUN_MISSING', 'lake.run: no batch has run yet')
        return { ...summaryOf(run), attempts: run.attempts.map(attemptOf) }
      }),

    dag: () =>
      ask('lake.dag', async (signal) => {
        const context = await batchContextOf(platform)
        const { ledger } = await platform.runs()
        const bronze = await context.table('bronze/events').snapshot({ signal })
        const audited = { ...context, ledger: async () => ledger }
        const { name, nodes } = batchGraph(audited, bronze, { kind: 'changed' })
        return { dag: name, tasks: nodes.map((node) => ({ task: node.name, after: [...node.dependsOn] })) }
      }),

    lineage: async () => {
      const found = await tables()
      return {
        tables: found.map(({ table, version, rows }) => ({ table, version, rows })),
        madeFrom: found.flatMap(({ table, madeFrom }) =>
          madeFrom === undefined ? [] : [{ table, from: madeFrom.table, version: madeFrom.version }],
        ),
      }
    },
  }
}

function summaryOf({ id, dag, state, trigger, startedMs, endedMs, error }: Run): RunSummary {
  return {
    id,
    dag,
    state,
    trigger,
    startedAt: isoOf(startedMs),
    endedAt: isoOf(endedMs),
    error: error === undefined ? null : `${error.code}: ${error.message}`,
  }
}

function attemptOf(attempt: Attempt): RunAttempt {
  const { node, attempt: number, state, startedMs, endedMs, rowsIn, rowsOut, error } = attempt
  return {
    task: node,
    attempt: number,
    state,
    startedAt: isoOf(startedMs),
    endedAt: isoOf(endedMs),
    rowsIn: rowsIn ?? null,
    rowsOut: rowsOut ?? null,
    error: error === undefined ? null : `${error.code}: ${error.message}`,
  }
}

const isoOf = (ms: number | undefined): string | null =>
  ms === undefined ? null : new Date(ms).toISOString()
