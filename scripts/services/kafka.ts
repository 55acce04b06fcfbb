/** Apache Kafka, one broker that asks nobody for a password. */
import { join } from 'node:path'
import { freePort } from './command.ts'
import { installKafka, startNode } from './kafka-node.ts'
import type { Place, RunningService, Service } from './service.ts'

export const kafka: Service = {
  name: 'kafka',

  install: async (place) => void (await installKafka(place)),

  async start(place: Place): Promise<RunningService> {
    const [port, controllerPort] = [await freePort(), await freePort()]
    const dir = join(place.scratchDir, 'kafka')
    const node = await startNode(place, { dir, id: 1, port, controllers: [{ id: 1, port: controllerPort }] })
    return {
      env: { KAFKA_BROKERS: `127.0.0.1:${port}` },
      stop: () => node.stop(),
    }
  },
}
