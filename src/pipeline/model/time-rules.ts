/**
 * Every rule about time, declared once: windows, the watermark, lateness, and how far ahead an event may be.
 *
 * An event is *late* if its window ended `watermarkDelaySeconds` or more before the newest event time that was
 * already read from its partition. It is *future* if it is more than `futureLimitMinutes` after its append time.
 */

/** Length of a window of the speed layer. */
export const windowSeconds = 60
export const windowMs = windowSeconds * 1000

/** How long a window stays open after its end, measured in event time. */
export const watermarkDelaySeconds = 120
export const watermarkDelayMs = watermarkDelaySeconds * 1000

/** An event that is this far behind the newest event of its partition is late wherever in its window it lies. */
export const surelyLateMs = windowMs + watermarkDelayMs

/** How far an event's own clock may be ahead of the log's. */
export const futureLimitMinutes = 5

/** The start of the window that holds a time, in milliseconds since the epoch. */
export function windowStartMs(timeMs: number): number {
  return Math.floor(timeMs / windowMs) * windowMs
}
