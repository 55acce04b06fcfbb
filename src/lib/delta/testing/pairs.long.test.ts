import { describePairs } from './pairs.contract.ts'

describePairs(() => true)
