import { describePublishing } from './publish.contract.ts'

describePublishing('whole')
