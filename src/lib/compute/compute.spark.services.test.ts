import { describe } from 'vitest'
import { describeCompute } from './compute.contract.ts'
import { openSparkCompute } from './compute.spark.ts'

describe('Sail', () => {
  describeCompute(async (duckdb) => openSparkCompute({ url: process.env['SAIL_URL'] ?? '', duckdb }))
})
