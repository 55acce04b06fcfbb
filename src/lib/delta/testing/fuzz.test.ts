import { describeFuzzedLogs } from './fuzz.contract.ts'

describeFuzzedLogs({ logs: 300 })
