import { describeRealtime } from './realtime.contract.ts'

describeRealtime('whole')
