import { describeLanding } from './landing.contract.ts'

describeLanding('whole')
