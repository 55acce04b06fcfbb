/**
 * Compacts the many small files that landing commits into few large ones, beside the landing and one run at a time.
 * A run is never part of a landing commit and never delays one. A failure is logged; the next commit tries again.
 */

import { messageOf } from '../../lib/base/errors.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { Logger } from '../../lib/base/log.ts'
import { compactIfWorthwhile, type DeltaTable } from '../../lib/delta/index.ts'
import { ShutdownDeadline } from '../../lib/stream/shutdown-deadline.ts'

export interface CompactionOptions extends IoOptions {
  /** So many small files in one partition make it worthwhile. */
  readonly minFiles: number
  readonly logger: Logger
  /** How long a run may take once the stage is asked to end. */
  readonly shutdownDeadlineMs: number
}

export class Compaction implements AsyncDisposable {
  readonly #tables: readonly DeltaTable[]
  readonly #options: CompactionOptions
  #running: Promise<void> | undefined

  constructor(tables: readonly DeltaTable[], options: CompactionOptions) {
    this.#tables = tables
    this.#options = options
  }

  /** After a commit. */
  begin(): void {
    this.#running ??= this.#compact().finally(() => {
      this.#running = undefined
    })
  }

  async #compact(): Promise<void> {
    const { minFiles, logger, signal } = this.#options
    for (const table of this.#tables) {
      try {
        const outcome = await compactIfWorthwhile(table, {
          enabled: true,
          minFiles,
          tags: { stage: 'landing' },
          signal,
        })
        if (outcome !== undefined)
          logger.debug({ table: table.uri, ...outcome }, 'Small files were compacted')
      } catch (error) {
        if (signal?.aborted === true) return
        logger.warn({ table: table.uri, reason: messageOf(error) }, 'Small files could not be compacted')
      }
    }
  }

  /** Waits for the present run; once the signal is aborted, at most `shutdownDeadlineMs`. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { signal, shutdownDeadlineMs } = this.#options
    using deadline = new ShutdownDeadline(signal, shutdownDeadlineMs)
    if (this.#running !== undefined) await deadline.within(this.#running)
  }
}
