/**
 * The panels with their figures. One query for each panel and refresh serves all viewers. If a panel fails or is slow,
 * it keeps its last figures and says so, and the other panels go on.
 */
import type { Clock } from '../lib/base/clock.ts'
import type { IoOptions } from '../lib/base/io.ts'
import type { Logger } from '../lib/base/log.ts'
import type { ClickHouse } from '../lib/clickhouse/clickhouse.ts'
import { type Layer, layers, type PanelLayer } from '../pipeline/model/panel.ts'
import type { Figures, Freshness, Overview, PanelAnswer } from './answers.ts'
import { figuresOf } from './figures.ts'
import { noFreshness, readFreshness } from './freshness.ts'
import { expandMacros, type TimeRange } from './macros.ts'
import { type Panel, panels } from './panels.ts'
import type { HintOf } from './problem.ts'
import { type Reading, SharedReading } from './readings/shared-reading.ts'

export const overviewTitle = 'Lakehouse Platform Overview'
/** What the page offers to look back, in minutes. */
export const rangesMinutes = [60, 360, 1440] as const
export type RangeMinutes = (typeof rangesMinutes)[number]
const stepMinutes: Readonly<Record<RangeMinutes, number>> = { 60: 1, 360: 5, 1440: 15 }

/** Figures and how new they are belong together: an old picture keeps its own date. */
interface PanelReading {
  readonly figures: Figures
  readonly freshness: Omit<Freshness, 'layer'>
}

export interface OverviewOptions {
  readonly clickhouse: Pick<ClickHouse, 'query'>
  readonly clock: Clock
  readonly hintOf: HintOf
  readonly logger: Logger
}

/** For ClickHouse to end by itself what we have given up. */
const settings = { max_execution_time: 20, max_threads: 2 }

export class OverviewReader {
  readonly #options: OverviewOptions
  readonly #readings = new Map<string, SharedReading<PanelReading>>()
  readonly #freshness: ReadonlyMap<Layer, SharedReading<Freshness>>

  constructor(options: OverviewOptions) {
    this.#options = options
    this.#freshness = new Map(
      layers.map((layer) => [
        layer,
        this.#share(`Freshness of ${layer}`, (io) =>
          readFreshness(options.clickhouse, layer, { ...io, settings }),
        ),
      ]),
    )
  }

  async overview(
    rangeMinutes: RangeMinutes,
    io: IoOptions,
  ): Promise<Omit<Overview, 'stoppedStages' | 'stageTroubles' | 'comingUp'>> {
    const [freshness, answers] = await Promise.all([
      Promise.all([...this.#freshness.values()].map((reading) => reading.get(io))),
      Promise.all(panels.map((panel) => this.panel(panel, rangeMinutes, io))),
    ])
    return {
      title: overviewTitle,
      now: new Date(this.#options.clock.now()).toISOString(),
      rangeMinutes,
      freshness: freshness.flatMap(({ value }) => (value === undefined ? [] : [value])),
      panels: answers,
    }
  }

  async panel(panel: Panel, rangeMinutes: RangeMinutes, io: IoOptions): Promise<PanelAnswer> {
    return answerOf(panel, await this.#readingOf(panel, rangeMinutes).get(io))
  }

  close(): void {
    for (const reading of [...this.#readings.values(), ...this.#freshness.values()]) reading.close()
  }

  #readingOf(panel: Panel, rangeMinutes: RangeMinutes): SharedReading<PanelReading> {
    const key = panel.sql.includes('$__') ? `${panel.id} ${rangeMinutes}` : panel.id
    const known = this.#readings.get(key)
    if (known !== undefined) return known
    const made = this.#share(`Panel ${panel.id}`, (io) => this.#read(panel, rangeMinutes, io))
    this.#readings.set(key, made)
    return made
  }

  async #read(panel: Panel, rangeMinutes: RangeMinutes, { signal }: IoOptions): Promise<PanelReading> {
    const { clickhouse, clock } = this.#options
    const range = rangeUpTo(clock.now(), rangeMinutes)
    // Before the rows: figures may then be newer than their date says, never older.
    const freshness = await this.#freshnessOf(panel.layer, { signal })
    const rows = await clickhouse.query(expandMacros(panel.sql, range), { signal, settings })
    return { figures: figuresOf(panel, rows, range), freshness }
  }

  /** Of joined layers: as new as the speed layer, and provisional from the batch's boundary on. */
  async #freshnessOf(layer: PanelLayer, io: IoOptions): Promise<Omit<Freshness, 'layer'>> {
    if (layer !== 'joined') return (await this.#freshness.get(layer)?.get(io))?.value ?? noFreshness(layer)
    const [batch, realtime] = await Promise.all([
      this.#freshnessOf('batch', io),
      this.#freshnessOf('realtime', io),
    ])
    return {
      asOf: realtime.asOf ?? batch.asOf,
      provisionalFrom: batch.provisionalFrom,
      newestEvent: realtime.newestEvent,
      oldestWindow: realtime.oldestWindow,
    }
  }

  #share<T>(what: string, read: (io: IoOptions) => Promise<T>): SharedReading<T> {
    const { clock, hintOf, logger } = this.#options
    return new SharedReading(read, {
      what,
      clock,
      hintOf,
      onFailure: (error) => logger.warn({ err: error }, `${what} could not be read`),
    })
  }
}

/** It begins with a whole bin, and has at most a hundred of them, which a picture can show. */
export function rangeUpTo(nowMs: number, minutes: RangeMinutes): TimeRange {
  const stepMs = stepMinutes[minutes] * 60_000
  return { fromMs: Math.ceil((nowMs - minutes * 60_000) / stepMs) * stepMs, toMs: nowMs, stepMs }
}

function answerOf(panel: Panel, { value, readAtMs, isStale, problem }: Reading<PanelReading>): PanelAnswer {
  const { id, title, description, kind, row, layer, unit } = panel
  return {
    id,
    title,
    description,
    kind,
    style: panel.kind === 'timeseries' ? panel.style : null,
    row,
    layer,
    unit,
    asOf: value?.freshness.asOf ?? null,
    provisionalFrom: value?.freshness.provisionalFrom ?? null,
    figures: value?.figures ?? null,
    readAt: readAtMs === undefined ? null : new Date(readAtMs).toISOString(),
    isStale,
    problem: problem ?? null,
  }
}
