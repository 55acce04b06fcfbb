/** How long a stage that is asked to end may still take: a server that stalls must not hold it for ever. */
import { setMaxListeners } from 'node:events'
import { LakeError } from '../lib/base/errors.ts'

export class Grace implements Disposable {
  readonly #controller = new AbortController()
  readonly #asked: AbortSignal | undefined
  readonly #ms: number
  #timer: NodeJS.Timeout | undefined

  /** @param asked aborted when the stage is asked to end: the time begins then. */
  constructor(asked: AbortSignal | undefined, ms: number) {
    this.#asked = asked
    this.#ms = ms
    // Each insert of a batch listens, one for every table and partition.
    setMaxListeners(0, this.#controller.signal)
    if (asked?.aborted) this.#begin()
    else asked?.addEventListener('abort', this.#begin, { once: true })
  }

  /** Aborts with a LakeError `INTERRUPTED` when the time is over. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** What `work` comes to, or `undefined` when the time is over first; a failure after that is nobody's. */
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
