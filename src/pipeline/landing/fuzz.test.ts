import { describeMessages } from './fuzz.contract.ts'

describeMessages({ messages: 2_000 })
