/**
 * When so many messages are rejected that somebody has to look: an upstream change of the schema, not some bad messages. Pure:
 * what was landed, and when, is told to it.
 */

/** The share of rejects from which somebody has to look, unless another is set. */
export const usualRejectLimit = 0.05

export interface RejectBurst {
  readonly rejected: number
  readonly messages: number
  /** The share that is allowed. */
  readonly limit: number
}

const windowMs = 60_000
/** Of fewer messages a share says little; of so many it is judged at once, else when they were counted for a minute. */
const leastMessages = { atOnce: 1_000, inMinute: 100 }

export class RejectRate {
  readonly #limit: number
  #landed: { readonly atMs: number; readonly messages: number; readonly rejected: number }[] = []
  #sinceMs: number | undefined

  /** @param limit share of the messages of a minute; 1 allows all. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * @returns the burst, if more than the limit of what was landed in the last minute was rejected. The count then starts
   * at zero, so that a stage that is resumed is not paused again by the same messages.
   */
  landed(
    { events, rejected }: { readonly events: number; readonly rejected: number },
    nowMs: number,
  ): RejectBurst | undefined {
    this.#landed = this.#landed.filter(({ atMs }) => atMs <= nowMs && nowMs - atMs < windowMs)
    this.#landed.push({ atMs: nowMs, messages: events + rejected, rejected })
    const messages = this.#landed.reduce((sum, each) => sum + each.messages, 0)
    const rejects = this.#landed.reduce((sum, each) => sum + each.rejected, 0)
    if (this.#sinceMs === undefined || nowMs < this.#sinceMs) this.#sinceMs = nowMs
    const hasMinute = nowMs - this.#sinceMs >= windowMs
    const least = hasMinute ? leastMessages.inMinute : leastMessages.atOnce
    if (messages < least || rejects <= this.#limit * messages) return undefined
    this.#landed = []
    this.#sinceMs = undefined
    return { rejected: rejects, messages, limit: this.#limit }
  }
}

/** As it is shown and recorded, with what to do. */
export function describeBurst({ rejected, messages, limit }: RejectBurst): string {
  const share = Math.round((1000 * rejected) / messages) / 10
  return (
    `${rejected} of ${messages} messages of the last minute were rejected (${share} %, allowed are ${limit * 100} %): ` +
    '`lake rejected list --since 5m` says why; `lake stream resume landing` goes on'
  )
}
