/** Stdout: results and nothing else, written as fast as the reader takes them. */
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { messageOf, systemCode } from '../lib/base/errors.ts'

/** The reader has gone (`| head`): the command has nothing left to do, and that is no failure. */
export class StdoutClosed extends Error {
  override readonly name = 'StdoutClosed'
}

export class Output {
  readonly #stream: Writable
  #failure: Error | undefined

  constructor(stream: Writable) {
    this.#stream = stream
    stream.on('error', (error: unknown) => {
      this.#failure =
        systemCode(error) === 'EPIPE'
          ? new StdoutClosed('Nobody reads stdout any more')
          : new Error(`stdout: ${messageOf(error)}`, { cause: error })
    })
  }

  /**
   * Resolves when the stream is ready for more.
   *
   * @throws StdoutClosed
   */
  async write(text: string | Uint8Array): Promise<void> {
    this.#requireOpen()
    if (text.length === 0) return
    if (!this.#stream.write(text)) {
      await Promise.race([once(this.#stream, 'drain'), once(this.#stream, 'close')]).catch(() => undefined)
    }
    this.#requireOpen()
  }

  #requireOpen(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`)
  }
}
