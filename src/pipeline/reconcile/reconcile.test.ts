import { describeReconcile } from './reconcile.contract.ts'

describeReconcile('short')
