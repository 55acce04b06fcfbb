import { describeClickHouse } from './clickhouse.contract.ts'
import { storyNames } from './stories.fixture.ts'

describeClickHouse({ names: storyNames, reads: 80, inserts: 10 })
