import { describeRandomFiles } from './random-files.contract.ts'

describeRandomFiles({ files: 150 })
