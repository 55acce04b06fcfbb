/**
 * Reads on while the consumer is at work: what it takes next was fetched during its last write.
 *
 * Only fetches are read ahead, and so many bytes of them at most. What else comes waits until the consumer has
 * everything before it and asks again: an assignment asks the sink for its position, which a write is about to change,
 * and a log at rest would fill the memory with nothing.
 */
import type { StreamEvent, StreamMessage } from './micro-batch.ts'

/** A quarter of what one micro-batch may hold. */
const defaultMaxBytes = 8 * 1024 * 1024

export async function* readAhead<E extends StreamEvent<StreamMessage>>(
  events: AsyncIterable<E>,
  { maxBytes = defaultMaxBytes }: { readonly maxBytes?: number } = {},
): AsyncGenerator<E, void, undefined> {
  const ahead = new Ahead(events[Symbol.asyncIterator](), maxBytes)
  try {
    for (let event = await ahead.take(); event !== undefined; event = await ahead.take()) {
      // Before it is handed over: the consumer may be long at work with it.
      if (event.kind === 'fetched') ahead.readOn()
      yield event
    }
  } finally {
    await ahead.leave()
  }
}

class Ahead<E extends StreamEvent<StreamMessage>> {
  readonly #source: AsyncIterator<E>
  readonly #maxBytes: number
  readonly #waiting: E[] = []
  #waitingBytes = 0
  #end: { readonly error?: unknown } | undefined
  #isReading = false
  #hasLeft = false
  #arrived: () => void = () => undefined

  constructor(source: AsyncIterator<E>, maxBytes: number) {
    this.#source = source
    this.#maxBytes = maxBytes
  }

  /** The next event, `undefined` at the end. @throws what the log throws, after all that came before. */
  async take(): Promise<E | undefined> {
    while (this.#waiting.length === 0) {
      if (this.#end !== undefined) {
        if ('error' in this.#end) throw this.#end.error
        return undefined
      }
      const arrival = new Promise<void>((resolve) => {
        this.#arrived = resolve
      })
      this.readOn()
      await arrival
    }
    const event = this.#waiting.shift()
    if (event !== undefined) this.#waitingBytes -= bytesOf(event)
    return event
  }

  readOn(): void {
    if (!this.#isReading) void this.#read()
  }

  async leave(): Promise<void> {
    this.#hasLeft = true
    await this.#source.return?.()
  }

  /** Never fails: what the log throws is kept for the consumer. */
  async #read(): Promise<void> {
    this.#isReading = true
    while (this.#mayReadOn()) {
      try {
        const { done, value } = await this.#source.next()
        if (done === true) this.#end = {}
        else {
          this.#waiting.push(value)
          this.#waitingBytes += bytesOf(value)
        }
      } catch (error) {
        this.#end = { error }
      }
      this.#arrived()
    }
    this.#isReading = false
  }

  #mayReadOn(): boolean {
    if (this.#hasLeft || this.#end !== undefined) return false
    const last = this.#waiting.at(-1)
    return last === undefined || (last.kind === 'fetched' && this.#waitingBytes < this.#maxBytes)
  }
}

function bytesOf(event: StreamEvent<StreamMessage>): number {
  if (event.kind !== 'fetched') return 0
  return event.fetch.messages.reduce((sum, { value }) => sum + (value?.byteLength ?? 0), 0)
}
