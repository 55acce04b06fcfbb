import { describeClickHouseInterop } from './clickhouse.contract.ts'
import { storyNames } from './stories.fixture.ts'

describeClickHouseInterop({ stories: storyNames, inserts: 5 })
