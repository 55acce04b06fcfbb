import { describeMessages } from './fuzz.contract.ts'

describeMessages({ messages: 20_000 })
