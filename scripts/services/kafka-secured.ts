/** A broker that asks for a password and for rights: one user per stage, and `admin`, who gives the rights. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { kafkaUsers } from '../../src/pipeline/platform/kafka-rights.ts'
import { freePort } from './command.ts'
import { installKafka, startNode } from './kafka-node.ts'
import type { Place, RunningService, Service } from './service.ts'

/** Of every user, for they guard nothing. */
const password = 'for-tests'

export const kafkaSecured: Service = {
  name: 'kafka-secured',

  install: async (place) => void (await installKafka(place)),

  async start(place: Place): Promise<RunningService> {
    const dir = join(place.scratchDir, 'kafka-secured')
    mkdirSync(dir, { recursive: true })
    const [port, controllerPort] = [await freePort(), await freePort()]
    const users = ['admin', ...kafkaUsers].map((user) => `user_${user}="${password}"`).join(' ')
    const node = await startNode(place, {
      dir,
      id: 1,
      port,
      controllers: [{ id: 1, port: controllerPort }],
      protocol: 'SASL_PLAINTEXT',
      settings: {
        'sasl.enabled.mechanisms': 'PLAIN',
        'sasl.mechanism.inter.broker.protocol': 'PLAIN',
        'listener.name.sasl_plaintext.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="${password}" ${users};`,
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        // The listener of the controller has no users; no client reaches it.
        'super.users': 'User:admin;User:ANONYMOUS',
        'allow.everyone.if.no.acl.found': 'false',
      },
    })
    return {
      env: { KAFKA_SECURED_BROKERS: `127.0.0.1:${port}`, KAFKA_SECURED_PASSWORD: password },
      stop: () => node.stop(),
    }
  },
}
