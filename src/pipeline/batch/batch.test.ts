import { describeBatch } from './batch.contract.ts'

describeBatch('short')
