/** Tables between us and Spark with Delta, both ways, and both at once. */
import { afterAll, beforeAll } from 'vitest'
import { type Sparks, sparkTimeoutMs, startSpark } from './spark.fixture.ts'
import { describeSparkReads } from './spark-reads.contract.ts'
import { describeSparkShares } from './spark-shares.contract.ts'
import { describeSparkWrites } from './spark-writes.contract.ts'

let sparks: Sparks & AsyncDisposable
beforeAll(async () => {
  sparks = await startSpark()
}, sparkTimeoutMs)
afterAll(() => sparks[Symbol.asyncDispose]())

describeSparkReads(() => sparks)
describeSparkWrites(() => sparks)
describeSparkShares(() => sparks)
