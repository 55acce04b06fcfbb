/**
 * Records in the run store, every two seconds, how a stage of this process is, and learns there whether it is paused.
 *
 * Never on the way of a batch: it runs beside the stage, and a store that does not answer changes nothing but what
 * others see. A pause that was learned holds until the store says that it is over.
 */
import { isLakeError } from '../../lib/base/errors.ts'
import type { PartitionRange } from '../../lib/eventlog/eventlog.ts'
import { formatOwner, newOwner } from '../../lib/runs/owner.ts'
import { PauseSwitch } from '../../lib/stream/pause-switch.ts'
import { StageMeter } from '../streaming/stage-meter.ts'
import type { Platform } from './compose.ts'

export const stageNames = ['producer', 'landing', 'realtime'] as const
export type StageName = (typeof stageNames)[number]

export interface RecordedStage {
  readonly observer: StageMeter
  readonly pause: PauseSwitch
}

export interface RecordOptions {
  /** Told each time that the stage gets on, or rests because it is paused. */
  readonly onAlive?: () => void
  readonly everyMs?: number
  /** How long the start waits to learn whether the stage is paused. */
  readonly patienceMs?: number
}

/** How long the end waits for its last word to be recorded. */
const endMs = 1_000

/** Runs the stage and records it until it ends. */
export async function withRecording<T>(
  platform: Platform,
  stage: StageName,
  work: (recorded: RecordedStage) => Promise<T>,
  { onAlive, everyMs = 2_000, patienceMs = 5_000 }: RecordOptions = {},
): Promise<T> {
  const pause = new PauseSwitch()
  const observer = new StageMeter({ clock: platform.clock, pause, ...(onAlive && { onAlive }) })
  const leave = platform.stagesHere.add(stage, observer)
  const recorder = new StageRecorder(platform, { stage, observer, pause })
  if ((await within(recorder.record(), patienceMs)) === 'late') {
    platform.logger.warn(
      { stage },
      `The run store did not say within ${patienceMs / 1000} s whether ${stage} is paused: it begins`,
    )
  }
  // It keeps the process alive too, which else has nothing to do while the stage is paused.
  const timer = setInterval(() => void recorder.record(), everyMs)
  let error: unknown
  try {
    return await work({ observer, pause })
  } catch (caught) {
    error = caught ?? new Error('unknown')
    throw caught
  } finally {
    clearInterval(timer)
    // One that was asked to end, or that a pause has refused, has not failed.
    observer.ended(isLakeError(error, 'STAGE_PAUSED', 'INTERRUPTED') ? undefined : error)
    await within(recorder.recordEnd(), endMs)
    leave()
  }
}

class StageRecorder {
  readonly #platform: Platform
  readonly #stage: StageName
  readonly #observer: StageMeter
  readonly #pause: PauseSwitch
  readonly #owner = formatOwner(newOwner())
  #recording: Promise<void> | undefined
  #isSilent = false

  constructor(platform: Platform, { stage, observer, pause }: RecordedStage & { readonly stage: StageName }) {
    this.#platform = platform
    this.#stage = stage
    this.#observer = observer
    this.#pause = pause
  }

  /** One at a time: while the store does not answer, nothing piles up. */
  record(): Promise<void> {
    if (this.#observer.isPaused) this.#observer.alive()
    this.#recording ??= this.#write(false).finally(() => {
      this.#recording = undefined
    })
    return this.#recording
  }

  async recordEnd(): Promise<void> {
    await this.#recording
    await this.#write(true)
  }

  async #write(hasEnded: boolean): Promise<void> {
    const { logger } = this.#platform
    try {
      if (!hasEnded) this.#observer.sawEnds(await this.#ends())
      const { stages } = await this.#platform.runs()
      const pause = await stages.report({
        owner: this.#owner,
        stage: this.#stage,
        content: this.#observer.reading(),
        hasEnded,
      })
      if (!hasEnded) this.#pause.set(pause?.reason)
      if (this.#isSilent)
        logger.info({ stage: this.#stage }, 'The run store has the state of the stage again')
      this.#isSilent = false
    } catch (error) {
      const level = this.#isSilent ? 'debug' : 'warn'
      this.#isSilent = true
      logger[level](
        { err: error, stage: this.#stage },
        'The state of the stage could not be recorded: others see it as it was. The stage goes on',
      )
    }
  }

  async #ends(): Promise<readonly PartitionRange[] | undefined> {
    if (this.#stage === 'producer') return undefined
    try {
      return await (await this.#platform.log()).partitions()
    } catch {
      // The stage itself meets the same log, and says so; the lag is unknown until it answers.
      return undefined
    }
  }
}

/** `late`: it goes on, and is no longer waited for. */
async function within(work: Promise<void>, ms: number): Promise<'done' | 'late'> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), ms)
  })
  try {
    return await Promise.race([work.then(() => 'done' as const), late])
  } finally {
    clearTimeout(timer)
  }
}
