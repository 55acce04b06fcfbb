/** Waits for a notification, for a time limit, or for an abort, whichever comes first. */
import type { IoOptions } from '../base/io.ts'

export class Wakeup {
  readonly #waiting = new Set<() => void>()

  /** Ends every wait that is under way. */
  notify(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  /** Resolves in every case, also on abort: the caller looks again at what it waits for, and at its signal. */
  wait(ms: number, { signal }: IoOptions = {}): Promise<void> {
    if (signal?.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', wake)
        this.#waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      signal?.addEventListener('abort', wake, { once: true })
      this.#waiting.add(wake)
    })
  }
}
