import { describeEventLog } from './eventlog.contract.ts'
import { createMemoryEventLog, type MemoryEventLog } from './eventlog.memory.ts'

const logs = new WeakMap<object, MemoryEventLog>()

describeEventLog('memory', {
  async open() {
    const log = createMemoryEventLog()
    logs.set(log, log)
    return log
  },
  async expire(log) {
    logs.get(log)?.expire()
  },
})
