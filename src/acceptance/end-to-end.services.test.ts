import { randomUUID } from 'node:crypto'
import { describeEndToEnd } from './end-to-end.contract.ts'
import { openLineOfCommands } from './line.ts'

const { KAFKA_BROKERS: brokers = '', METADATA_URL: metadataUrl = '' } = process.env

describeEndToEnd(
  'lake commands on Kafka, MariaDB and a ClickHouse server',
  (environment) => openLineOfCommands({ brokers, topic: `events-${randomUUID()}`, metadataUrl }, environment),
  { count: 12_000, embedded: [] },
)
