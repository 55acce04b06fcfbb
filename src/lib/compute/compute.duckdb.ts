/** Computes in DuckDB, in this process. */

import type { IoOptions } from '../base/io.ts'
import type { StagedFiles } from '../delta/index.ts'
import type { DuckDb } from '../duckdb/duckdb.ts'
import { identifier } from '../duckdb/sql-text.ts'
import type { Compute, ComputeRequest } from './compute.ts'

export function createDuckDbCompute(duckdb: DuckDb): Compute {
  return {
    engine: 'duckdb',
    stage: ({ inputs, select, target, targetSnapshot }: ComputeRequest, options: IoOptions = {}) =>
      duckdb.use(async (session): Promise<StagedFiles> => {
        for (const { name, table, snapshot, files } of inputs) {
          const scan = await table.scan(session, snapshot, { ...(files && { files }), ...options })
          await session.run(`create temporary view ${identifier(name)} as ${scan}`, options)
        }
        return await target.stage(session, targetSnapshot, select, { missing: 'null', ...options })
      }),
  }
}
