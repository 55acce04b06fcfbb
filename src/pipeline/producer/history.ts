/** How the messages of past days are spread over them: in order of time, with a daily rhythm. */
import type { MessageTime } from './generate.ts'
import { type Random, seededRandom } from './random.ts'

export interface History {
  readonly count: number
  /** Whole days, the last of which ends at `untilMs`. */
  readonly days: number
  readonly untilMs: number
  /**
   * Messages of the last day, which ends at the mean rate of that day, so that a live producer of that rate goes on
   * without a step; each day before has fewer than the next. Without it each day has as many messages.
   */
  readonly lastDayCount?: number | undefined
}

const dayMs = 86_400_000
const hourMs = 3_600_000
/** How busy each hour of a UTC day is. */
const hours = [3, 2, 2, 1, 1, 2, 3, 4, 5, 6, 6, 6, 7, 6, 6, 6, 6, 7, 8, 9, 9, 8, 6, 4]
/** How busy each quarter of an hour of the last day is: a wave around the mean, which it has at both ends. */
const quarters = Array.from({ length: 96 }, (_, at) => 1 - 0.4 * Math.sin((2 * Math.PI * (at + 0.5)) / 96))

/** What a day has of the messages of the day after it. */
const growth = 0.5

/** A history that grows day by day up to `lastDayCount` messages on its last day. */
export function growingHistory(days: number, lastDayCount: number, untilMs: number): History {
  const counts = Array.from({ length: days }, (_, back) => Math.round(lastDayCount * growth ** back))
  return { count: counts.reduce((sum, count) => sum + count, 0), days, untilMs, lastDayCount }
}

/** When the first day begins, in ms since the epoch. */
export function startOf({ days, untilMs }: History): number {
  return untilMs - days * dayMs
}

/** The times of all messages, ascending, each before `untilMs`. */
export function* historyTimes(history: History, seed: number): Generator<MessageTime> {
  const { count, days, untilMs, lastDayCount } = history
  const random = seededRandom(seed ^ 0x5deece66)
  const startMs = startOf(history)
  const firstHour = Math.floor((startMs % dayMs) / hourMs)
  const rhythm = [...hours.slice(firstHour), ...hours.slice(0, firstHour)]
  if (lastDayCount === undefined) {
    yield* timesOf({ count, days, startMs, firstDay: 0, untilMs }, rhythm, random)
    return
  }
  for (const [day, dayCount] of dayCounts(history, lastDayCount).entries()) {
    const dayMsFrom = startMs + day * dayMs
    const stretch = {
      count: dayCount,
      days: 1,
      startMs: dayMsFrom,
      untilMs: dayMsFrom + dayMs,
      firstDay: day,
    }
    yield* timesOf(stretch, day === days - 1 ? quarters : rhythm, random)
  }
}

/** They add up to `count`, whatever the last day has. */
function dayCounts({ count, days }: History, lastDayCount: number): readonly number[] {
  const earlierDays = days - 1
  const last = earlierDays === 0 ? count : Math.min(count, lastDayCount)
  const weights = Array.from({ length: earlierDays }, (_, day) => growth ** (earlierDays - day))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  let before = 0
  let weightSoFar = 0
  const earlier = weights.map((weight) => {
    weightSoFar += weight
    const upTo = Math.round(((count - last) * weightSoFar) / total)
    const ofDay = upTo - before
    before = upTo
    return ofDay
  })
  return [...earlier, last]
}

interface Stretch {
  readonly count: number
  readonly days: number
  readonly startMs: number
  readonly untilMs: number
  /** The number of its first day in the history. */
  readonly firstDay: number
}

/** @param rhythm How busy each of the equal parts of a day is. */
function* timesOf(
  { count, days, startMs, untilMs, firstDay }: Stretch,
  rhythm: readonly number[],
  random: Random,
): Generator<MessageTime> {
  const total = rhythm.reduce((sum, weight) => sum + weight, 0)
  for (let index = 0; index < count; index++) {
    const at = ((index + random.fraction()) / count) * days
    const day = Math.min(Math.floor(at), days - 1)
    const timeMs = Math.floor(startMs + day * dayMs + timeWithin(rhythm, Math.min(at - day, 1) * total))
    yield { timeMs: Math.min(timeMs, untilMs - 1), cycle: firstDay + day }
  }
}

/** The time, in ms from the start of a day, by which so much of the day's weight has come. */
function timeWithin(rhythm: readonly number[], weightSoFar: number): number {
  const partMs = dayMs / rhythm.length
  let left = weightSoFar
  for (const [part, weight] of rhythm.entries()) {
    if (left < weight) return (part + left / weight) * partMs
    left -= weight
  }
  return dayMs - 1
}
