import { describeLanding } from './landing.contract.ts'

describeLanding('short')
