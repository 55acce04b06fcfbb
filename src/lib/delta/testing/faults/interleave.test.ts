import { describeInterleaved } from './interleave.contract.ts'

describeInterleaved(['append', 'addColumns', 'restore', 'optimize'])
