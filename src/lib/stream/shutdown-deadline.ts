/**
 * Limits how long work may go on after it was asked to end, so that a server that does not answer cannot hold it for
 * ever.
 */
import { setMaxListeners } from 'node:events'
import { LakeError } from '../base/errors.ts'

export class ShutdownDeadline implements Disposable {
  readonly #controller = new AbortController()
  readonly #asked: AbortSignal | undefined
  readonly #ms: number
  #timer: NodeJS.Timeout | undefined

  /** @param asked Aborted when the work is asked to end: the time begins then. */
  constructor(asked: AbortSignal | undefined, ms: number) {
    this.#asked = asked
    this.#ms = ms
    // Each insert of a batch listens, one for every table and partition.
    setMaxListeners(0, this.#controller.signal)
    if (asked?.aborted) this.#begin()
    else asked?.addEventListener('abort', this.#begin, { once: true })
  }

  /** Aborts with a LakeError `INTERRUPTED` when the deadline has passed. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The result of `work`, or `undefined` if the deadline passes first; a later failure of `work` is ignored. */
  async within<T>(work: Promise<T>): Promise<T | undefined> {
    const { signal } = this
    if (signal.aborted) {
      work.catch(() => undefined)
      return undefined
    }
    let stop = (): void => undefined
    const over = new Promise<undefined>((resolve) => {
      stop = () => resolve(undefined)
      signal.addEventListener('abort', stop, { once: true })
    })
    return await Promise.race([work, over]).finally(() => signal.removeEventListener('abort', stop))
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#asked?.removeEventListener('abort', this.#begin)
  }

  readonly #begin = (): void => {
    this.#timer = setTimeout(() => {
      this.#controller.abort(
        new LakeError('INTERRUPTED', `Asked to end, and not done ${this.#ms / 1000} s later`),
      )
    }, this.#ms)
  }
}
