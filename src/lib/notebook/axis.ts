/** Axes of a still picture: where a value lies between 0 and 1, and which values are written beside it. Pure. */

export interface Axis {
  /** `undefined` for what the axis does not hold. */
  place(value: unknown): number | undefined
  readonly ticks: readonly { readonly at: number; readonly text: string }[]
  /** The share of the axis that one of its values has for itself; 0 where values are points. */
  readonly band: number
}

const mostTicks = 8

/** Round numbers between `low` and `high`, which both belong to it. */
export function numberAxis(low: number, high: number): Axis {
  const step = roundStep((high - low) / 5 || Math.abs(high) / 5 || 1)
  const from = Math.floor(low / step) * step
  const to = Math.max(Math.ceil(high / step) * step, from + step)
  const place = (value: unknown): number | undefined =>
    typeof value === 'number' && Number.isFinite(value) ? (value - from) / (to - from) : undefined
  const ticks = Array.from({ length: Math.round((to - from) / step) + 1 }, (_, index) => {
    const value = Number((from + index * step).toPrecision(12))
    return {
      at: (value - from) / (to - from),
      text: value.toLocaleString('en', { maximumFractionDigits: 6 }),
    }
  })
  return { place, ticks, band: 0 }
}

/** 1, 2 or 5 times a power of ten, not below `least`. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  return power * ([1, 2, 5].find((each) => each * power >= least) ?? 10)
}

/** Times as ISO texts; those of the data are written. */
export function timeAxis(values: readonly unknown[]): Axis {
  const times = [...new Set(values.map(msOf).filter((ms) => ms !== undefined))].sort((a, b) => a - b)
  const [first = 0, last = 0] = [times.at(0), times.at(-1)]
  const placeOf = (ms: number): number => (last === first ? 0.5 : (ms - first) / (last - first))
  const isDays = times.every((ms) => ms % 86_400_000 === 0)
  const ticks = everyNth(times).map((ms) => ({
    at: placeOf(ms),
    text: new Date(ms)
      .toISOString()
      .slice(0, isDays ? 10 : 16)
      .replace('T', ' '),
  }))
  const place = (value: unknown): number | undefined => {
    const ms = msOf(value)
    return ms === undefined ? undefined : placeOf(ms)
  }
  return { place, ticks, band: 0 }
}

/** Each value has a band of its own; times are in their order, other values in that of the data. */
export function bandAxis(values: readonly unknown[]): Axis {
  const names = [...new Set(values.map(String))]
  if (isTimes(values)) names.sort()
  const placeAt = (index: number): number => (index + 0.5) / names.length
  const indexes = new Map(names.map((name, index) => [name, index]))
  const place = (value: unknown): number | undefined => {
    const index = indexes.get(String(value))
    return index === undefined ? undefined : placeAt(index)
  }
  const ticks = everyNth(names).map((text) => ({ at: placeAt(indexes.get(text) ?? 0), text }))
  return { place, ticks, band: 1 / Math.max(1, names.length) }
}

export function isTimes(values: readonly unknown[]): boolean {
  return values.length > 0 && values.every((value) => msOf(value) !== undefined)
}

function msOf(value: unknown): number | undefined {
  if (typeof value !== 'string' || !/^\d{4}-\d{2}-\d{2}(?:$|[T ])/.test(value)) return undefined
  const ms = Date.parse(/[T ]/.test(value) && !/(?:Z|[+-]\d{2}:?\d{2})$/.test(value) ? `${value}Z` : value)
  return Number.isNaN(ms) ? undefined : ms
}

function everyNth<T>(values: readonly T[]): readonly T[] {
  const step = Math.ceil(values.length / mostTicks)
  return values.filter((_, index) => index % step === 0)
}
