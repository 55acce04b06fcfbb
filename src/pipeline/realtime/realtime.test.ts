import { describeRealtime } from './realtime.contract.ts'

describeRealtime('short')
