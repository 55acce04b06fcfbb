import { describeRandomTexts } from './random-texts.contract.ts'

describeRandomTexts({ files: 20 })
