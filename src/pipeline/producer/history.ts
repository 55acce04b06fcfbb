/** How the messages of past days are spread over them: in order, with a daily rhythm. */
import type { Moment } from './generate.ts'
import { type Random, seededRandom } from './random.ts'

export interface History {
  readonly count: number
  /** Whole days, the last of which ends at `untilMs`. */
  readonly days: number
  readonly untilMs: number
}

const dayMs = 86_400_000
const hourMs = 3_600_000
/** How busy each hour of a UTC day is. */
const rhythm = [3, 2, 2, 1, 1, 2, 3, 4, 5, 6, 6, 6, 7, 6, 6, 6, 6, 7, 8, 9, 9, 8, 6, 4]
const rhythmTotal = rhythm.reduce((sum, weight) => sum + weight, 0)

/** When the first day begins, in ms since the epoch. */
export function startOf({ days, untilMs }: History): number {
  return untilMs - days * dayMs
}

/** The moments of all messages, ascending, each before `untilMs`. */
export function* historyMoments(history: History, seed: number): Generator<Moment> {
  const { count, days, untilMs } = history
  const random: Random = seededRandom(seed ^ 0x5deece66)
  const startMs = startOf(history)
  const firstHour = Math.floor((startMs % dayMs) / hourMs)
  const weights = [...rhythm.slice(firstHour), ...rhythm.slice(0, firstHour)]
  for (let index = 0; index < count; index++) {
    const at = ((index + random.fraction()) / count) * days
    const day = Math.min(Math.floor(at), days - 1)
    const timeMs = Math.floor(startMs + day * dayMs + timeWithin(weights, Math.min(at - day, 1)))
    yield { timeMs: Math.min(timeMs, untilMs - 1), cycle: day }
  }
}

/** The time, in ms from the start of a day of history, by which a share of the day's messages has come. */
function timeWithin(weights: readonly number[], share: number): number {
  let left = share * rhythmTotal
  for (const [hour, weight] of weights.entries()) {
    if (left < weight) return (hour + left / weight) * hourMs
    left -= weight
  }
  return dayMs - 1
}
