import { describeInterleaved } from './interleave.contract.ts'
import { names } from './interleave.fixture.ts'

describeInterleaved(names)
