/** Computes in DuckDB, in this process. */

import type { IoOptions } from '../base/io.ts'
import type { StagedFiles } from '../delta/index.ts'
import type { DuckDb, DuckDbSession } from '../duckdb/duckdb.ts'
import { identifier } from '../duckdb/sql-text.ts'
import type { Compute, ComputeInput, ComputeRequest, RowsInParts } from './compute.ts'

export function createDuckDbCompute(duckdb: DuckDb): Compute {
  return {
    engine: 'duckdb',
    version: async (options) => {
      const row = await duckdb.use((session) => session.row('select version() as version', options))
      return String(row['version'])
    },
    stage: (request: ComputeRequest, options: IoOptions = {}) =>
      duckdb.use(async (session): Promise<StagedFiles> => {
        const { inputs, inParts, target, targetSnapshot } = request
        if (inParts !== undefined) await computeParts(session, inParts, options)
        await createViews(session, inputs, options)
        return await target.stage(session, targetSnapshot, rowsOf(request), { missing: 'null', ...options })
      }),
  }
}

function rowsOf({ select, further, orderBy }: ComputeRequest): string {
  const rows = further === undefined ? select : `${select}\nunion all by name ${further}`
  return orderBy === undefined ? rows : `select * from (${rows}\n) order by ${orderBy.join(', ')}`
}

async function computeParts(
  session: DuckDbSession,
  { name, select, parts }: RowsInParts,
  options: IoOptions,
): Promise<void> {
  for (const [at, inputs] of parts.entries()) {
    await createViews(session, inputs, options)
    const into =
      at === 0 ? `create temporary table ${identifier(name)} as` : `insert into ${identifier(name)}`
    await session.run(`${into} ${select}`, options)
  }
}

async function createViews(
  session: DuckDbSession,
  inputs: readonly ComputeInput[],
  options: IoOptions,
): Promise<void> {
  for (const { name, table, snapshot, files } of inputs) {
    const scan = await table.scan(session, snapshot, { ...(files && { files }), ...options })
    await session.run(`create or replace temporary view ${identifier(name)} as ${scan}`, options)
  }
}
