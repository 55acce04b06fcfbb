/** Three nodes of Kafka that can be killed and come back; all data have three replicas, and writes need two. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, type Server, untilReady } from '../services/command.ts'
import { beginNode, isListening, type NodeOptions } from '../services/kafka-node.ts'
import type { Place } from '../services/service.ts'

const nodeIds = [1, 2, 3] as const

export class KafkaCluster implements AsyncDisposable {
  readonly #place: Place
  readonly #nodes: readonly NodeOptions[]
  readonly #servers = new Map<number, Server>()

  private constructor(place: Place, nodes: readonly NodeOptions[]) {
    this.#place = place
    this.#nodes = nodes
  }

  /** Resolves when all nodes take connections. */
  static async start(place: Place): Promise<KafkaCluster> {
    const ports: number[] = []
    while (ports.length < 2 * nodeIds.length) {
      const port = await freePort()
      if (!ports.includes(port)) ports.push(port)
    }
    const controllers = nodeIds.map((id, at) => ({ id, port: ports[nodeIds.length + at] ?? 0 }))
    const nodes = nodeIds.map(
      (id, at): NodeOptions => ({
        dir: join(place.scratchDir, `kafka-${id}`),
        id,
        port: ports[at] ?? 0,
        controllers,
        memory: '256m',
        settings: {
          'default.replication.factor': '3',
          'min.insync.replicas': '2',
          'broker.session.timeout.ms': '6000',
        },
      }),
    )
    const cluster = new KafkaCluster(place, nodes)
    await Promise.all(nodes.map(({ id }) => cluster.begin(id)))
    await Promise.all(nodes.map(({ id }) => cluster.untilUp(id)))
    return cluster
  }

  get brokers(): string {
    return this.#nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')
  }

  get ids(): readonly number[] {
    return this.#nodes.map(({ id }) => id)
  }

  pidOf(id: number): number | undefined {
    return this.#servers.get(id)?.child.pid
  }

  /** Starts a node that is not running; its data are those that it had. */
  async begin(id: number): Promise<void> {
    this.#servers.set(id, await beginNode(this.#place, this.#node(id)))
  }

  async untilUp(id: number): Promise<void> {
    const server = this.#servers.get(id)
    if (server === undefined) throw new Error(`Expected node ${id} to be running`)
    await untilReady(`kafka node ${id}`, server, () => isListening(this.#node(id).port))
  }

  /** How often each group has settled on its members, as the coordinators' logs tell. */
  rebalances(): number {
    return this.#nodes
      .map(({ dir }) => readFileSync(join(dir, 'kafka.log'), 'utf8'))
      .reduce(
        (sum, log) => sum + (log.match(/Stabilized group lakeshore-(landing|realtime) /g)?.length ?? 0),
        0,
      )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.stop()))
  }

  #node(id: number): NodeOptions {
    const node = this.#nodes.find((each) => each.id === id)
    if (node === undefined) throw new Error(`Expected a node of ${nodeIds.join(', ')}, got ${id}`)
    return node
  }
}
