/** Stdout: only results, written as fast as the reader takes them. */
import type { Writable } from 'node:stream'
import { LakeError, messageOf, systemCode } from '../../lib/base/errors.ts'
import type { TableLook } from './table-text.ts'

/** The reader has gone (`| head`): the command has nothing left to do, and that is no failure. */
export class StdoutClosed extends Error {
  override readonly name = 'StdoutClosed'
}

/** For a reader that takes nothing, once the command was asked to end. */
const patienceMs = 1_000

export class Output {
  readonly #stream: Writable
  readonly #signal: AbortSignal
  #failure: Error | undefined

  constructor(stream: Writable, signal: AbortSignal) {
    this.#stream = stream
    this.#signal = signal
    stream.on('error', (error: unknown) => this.#fail(error))
  }

  get isTty(): boolean {
    return 'isTTY' in this.#stream && this.#stream.isTTY === true
  }

  /** How tables are drawn on this stdout. */
  get look(): TableLook {
    if (!this.isTty) return {}
    const columns = 'columns' in this.#stream ? this.#stream.columns : undefined
    return { width: typeof columns === 'number' && columns > 0 ? columns : 80, hasGroups: true }
  }

  /**
   * Resolves when the stream has taken the text and is ready for more.
   *
   * @throws StdoutClosed; LakeError `DISK_FULL` or `FILE_UNWRITABLE`; the reason of the signal, where the reader
   * still takes nothing a second after it.
   */
  async write(text: string | Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (text.length === 0) return
    await new Promise<void>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined
      const waitNoLonger = (): void => {
        timer = setTimeout(() => reject(this.#signal.reason), patienceMs)
      }
      this.#stream.write(text, (error) => {
        clearTimeout(timer)
        this.#signal.removeEventListener('abort', waitNoLonger)
        if (error) reject(this.#fail(error))
        else resolve()
      })
      if (this.#signal.aborted) waitNoLonger()
      else this.#signal.addEventListener('abort', waitNoLonger, { once: true })
    })
  }

  #fail(error: unknown): Error {
    this.#failure ??= failureOf(error)
    return this.#failure
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`)
  }
}

function failureOf(error: unknown): Error {
  const code = systemCode(error)
  if (code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED') {
    return new StdoutClosed('Nobody reads stdout any more')
  }
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  return new LakeError(isFull ? 'DISK_FULL' : 'FILE_UNWRITABLE', `write stdout: ${messageOf(error)}`, {
    cause: error,
    ...(!isFull && { details: { fault: 'stdout' } }),
  })
}
