import { randomUUID } from 'node:crypto'
import { describeEndToEnd } from './end-to-end.contract.ts'

const { KAFKA_BROKERS, METADATA_URL } = process.env

describeEndToEnd(
  'Kafka and MariaDB',
  () => ({ KAFKA_BROKERS, METADATA_URL, KAFKA_TOPIC: `events-${randomUUID()}` }),
  12_000,
)
