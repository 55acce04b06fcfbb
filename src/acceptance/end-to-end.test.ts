import { describeEndToEnd } from './end-to-end.contract.ts'
import { openLine } from './line.ts'

describeEndToEnd('embedded', openLine, {
  count: 6_000,
  embedded: ['clickhouse.json', 'eventlog', 'runs.db'],
})
