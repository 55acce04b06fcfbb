import { describeKills } from './kill.contract.ts'

describeKills({ rounds: 6 })
