import { describeTorn } from './torn.contract.ts'

describeTorn({ cuts: 5, flips: 15 })
