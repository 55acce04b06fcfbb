import { describePairs } from './pairs.contract.ts'

describePairs((distance) => distance === 4)
