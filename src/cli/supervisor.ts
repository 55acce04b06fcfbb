/** Stages side by side: one that fails stops alone, says so, and is remembered for whoever looks on. */
import type { StoppedStage } from '../console/answers.ts'
import { problemOf } from '../console/shared-reading.ts'
import type { Clock } from '../lib/base/clock.ts'
import { isLakeError } from '../lib/base/errors.ts'
import type { Logger } from '../lib/base/log.ts'

export interface SupervisorOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** A stage that ends because of it has not failed. */
  readonly signal: AbortSignal | undefined
}

export class Supervisor {
  /** In the order in which they stopped. */
  readonly stopped: StoppedStage[] = []
  readonly #options: SupervisorOptions

  constructor(options: SupervisorOptions) {
    this.#options = options
  }

  /** Resolves when the stage has ended, be it by a failure. */
  async run(stage: string, work: () => Promise<unknown>): Promise<void> {
    const { clock, logger, signal } = this.#options
    try {
      await work()
    } catch (error) {
      if (signal?.aborted) return
      const stoppedAt = new Date(clock.now()).toISOString()
      this.stopped.push({ stage, stoppedAt, problem: problemOf(error) })
      const hint = isLakeError(error) ? error.hint : 'See the error.'
      logger.error({ err: error, stage, hint }, `The stage ${stage} has stopped`)
    }
  }
}
