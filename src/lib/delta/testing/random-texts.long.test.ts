import { describeRandomTexts } from './random-texts.contract.ts'

describeRandomTexts({ files: 400 })
