/** Whether a stage is paused: set from outside, looked at and waited for by its loop. */
import type { IoOptions } from '../base/io.ts'

export class PauseSwitch {
  /** Why; `undefined`: not paused. */
  #reason: string | undefined
  readonly #listeners = new Set<() => void>()

  get reason(): string | undefined {
    return this.#reason
  }

  get isPaused(): boolean {
    return this.#reason !== undefined
  }

  /** @param reason of the pause; `undefined` resumes. */
  set(reason: string | undefined): void {
    this.#reason = reason
    for (const listener of [...this.#listeners]) listener()
  }

  /**
   * The value of `work`, or `paused` as soon as it is, if that comes first: the work goes on then, and may be waited for
   * again.
   */
  unlessPaused<T>(work: Promise<T>): Promise<T | 'paused'> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!this.isPaused) return
        this.#listeners.delete(look)
        resolve('paused')
      }
      this.#listeners.add(look)
      void work.then(resolve, reject).finally(() => this.#listeners.delete(look))
      look()
    })
  }

  /** Resolves when it is not paused, or on abort. */
  untilResumed({ signal }: IoOptions): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.isPaused && signal?.aborted !== true) return
        this.#listeners.delete(look)
        signal?.removeEventListener('abort', look)
        resolve()
      }
      this.#listeners.add(look)
      signal?.addEventListener('abort', look, { once: true })
      look()
    })
  }
}
