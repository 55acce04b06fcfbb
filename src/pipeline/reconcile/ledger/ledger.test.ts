import { describeLedger } from './ledger.contract.ts'

describeLedger('short')
