/** Stages side by side: one that fails stops alone, is logged, and is remembered for those who look on. */
import type { Clock } from '../../lib/base/clock.ts'
import type { Logger } from '../../lib/base/log.ts'

export interface SupervisorOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** A stage that ends because of it has not failed. */
  readonly signal: AbortSignal | undefined
}

/** A stage that ended by a failure. */
export interface FailedStage {
  readonly stage: string
  readonly stoppedMs: number
  readonly error: unknown
}

export class Supervisor {
  /** In the order in which they stopped. */
  readonly failed: FailedStage[] = []
  readonly #options: SupervisorOptions

  constructor(options: SupervisorOptions) {
    this.#options = options
  }

  /** Resolves when the stage has ended, whether or not it failed. */
  async run(stage: string, work: () => Promise<unknown>): Promise<void> {
    const { clock, logger, signal } = this.#options
    try {
      await work()
    } catch (error) {
      if (signal?.aborted) return
      this.failed.push({ stage, stoppedMs: clock.now(), error })
      logger.error({ err: error, stage }, `The stage ${stage} has stopped`)
    }
  }
}
