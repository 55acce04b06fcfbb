import { describeTorn } from './torn.contract.ts'

describeTorn({ cuts: 1, flips: 1 })
