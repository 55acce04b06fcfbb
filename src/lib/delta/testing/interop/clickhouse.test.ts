import { describeClickHouseInterop } from './clickhouse.contract.ts'

describeClickHouseInterop({ stories: ['partitions', 'vectors and V2 checkpoints'], inserts: 3 })
