import { describe } from 'vitest'
import { describeCompute } from './compute.contract.ts'
import { createDuckDbCompute } from './compute.duckdb.ts'

describe('DuckDB', () => {
  describeCompute(async (duckdb) => createDuckDbCompute(duckdb))
})
