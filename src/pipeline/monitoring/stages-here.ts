/** The streaming stages that run in this process. */
import type { StageMeter } from '../streaming/stage-meter.ts'
import type { StageOfProcess } from './stage-metrics.ts'

export class StagesHere {
  readonly #meters = new Map<StageMeter, string>()

  /** @returns What takes it away again. */
  add(stage: string, meter: StageMeter): () => void {
    this.#meters.set(meter, stage)
    return () => void this.#meters.delete(meter)
  }

  readonly readings = (): readonly StageOfProcess[] =>
    [...this.#meters].map(([meter, stage]) => ({ stage, reading: meter.reading() }))
}
