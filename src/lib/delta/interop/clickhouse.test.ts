import { describeClickHouse } from './clickhouse.contract.ts'

describeClickHouse({
  names: ['created from rows', 'partitions', 'mapped', 'vectors and V2 checkpoints'],
  reads: 25,
  inserts: 4,
})
