import { describePairs } from './pairs.contract.ts'

describePairs((distance) => distance === 0 || distance === 4)
