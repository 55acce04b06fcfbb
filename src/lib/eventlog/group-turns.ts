/**
 * Lets one reader of a group read at a time, over all processes; the others wait. If a process is killed, its turn
 * ends.
 */
import type { IoOptions } from '../base/io.ts'
import type { Logger } from '../base/log.ts'
import { type ExclusiveLock, tryExclusiveLock } from '../sqlite/exclusive-lock.ts'
import { attempt } from './busy-file.ts'
import type { SegmentFolder } from './segments/segment-folder.ts'
import { Wakeup } from './wakeup.ts'

const lookAgainMs = 100

export class GroupTurns {
  readonly #folder: SegmentFolder
  readonly #logger: Logger
  readonly #wakeup = new Wakeup()
  readonly #taken = new Set<ExclusiveLock>()

  constructor(folder: SegmentFolder, logger: Logger) {
    this.#folder = folder
    this.#logger = logger
  }

  /** Resolves when it is the caller's turn, which lasts until the lock is given to `end`. */
  async take(group: string, { signal }: IoOptions): Promise<ExclusiveLock> {
    const path = this.#folder.lockOf(group)
    for (let hasWaited = false; ; hasWaited = true) {
      const lock = await attempt('lock', this.#folder.path, () => tryExclusiveLock(path), { signal })
      if (lock) {
        this.#taken.add(lock)
        return lock
      }
      if (!hasWaited) this.#logger.info({ group }, 'another process reads for this group: waiting')
      await this.#wakeup.wait(lookAgainMs, { signal })
      signal?.throwIfAborted()
    }
  }

  end(lock: ExclusiveLock): void {
    lock.release()
    this.#taken.delete(lock)
    this.#wakeup.notify()
  }

  endAll(): void {
    for (const lock of this.#taken) this.end(lock)
  }
}
