import { randomUUID } from 'node:crypto'
import { describeKills } from './kill.contract.ts'

const { KAFKA_BROKERS: brokers = '' } = process.env

describeKills('on Kafka', {
  rounds: 4,
  environment: { KAFKA_BROKERS: brokers, KAFKA_TOPIC: `kills-${randomUUID()}` },
})
