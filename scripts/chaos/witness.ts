/** A producer of our own that is never killed: what the cluster acknowledged to it must be in the lake. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EventLog } from '../../src/lib/eventlog/eventlog.ts'

const perAppend = 20
const everyMs = 100

export class Witness {
  /** Ids of events that the log has acknowledged. */
  readonly acknowledged: string[] = []
  /** Each of their messages may be there or not. */
  failedAppends = 0
  readonly #log: EventLog
  #isOver = false
  readonly #work: Promise<void>

  constructor(log: EventLog) {
    this.#log = log
    this.#work = this.#run()
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#work
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const ids = Array.from({ length: perAppend }, () => randomUUID())
      try {
        await this.#log.append(
          ids.map((id, at) => ({ key: Buffer.from(`witness ${at}`), value: eventOf(id) })),
        )
        this.acknowledged.push(...ids)
      } catch {
        this.failedAppends += 1
      }
      await sleep(everyMs)
    }
  }
}

function eventOf(id: string): Uint8Array {
  const event = {
    event_id: id,
    user_id: 1,
    event_type: 'click',
    page: '/witness',
    timestamp: new Date().toISOString(),
    source: 'web',
  }
  return Buffer.from(JSON.stringify(event))
}
