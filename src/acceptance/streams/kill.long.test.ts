import { describeKills } from './kill.contract.ts'

describeKills('embedded', { rounds: 6 })
