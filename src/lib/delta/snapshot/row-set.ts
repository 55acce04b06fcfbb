/**
 * A set of row numbers of one file, as runs: sorted, disjoint, never touching. Row numbers are from 0 up.
 *
 * Runs keep the whole of a deleted file of two billion rows as small as a deleted row.
 */

export class RowSet {
  /** `[from, to, from, to, …]`, `to` exclusive. */
  readonly bounds: readonly number[]
  readonly cardinality: number

  /** @param bounds Sorted, disjoint, not touching: `RowSet.of` and the methods make them so. */
  constructor(bounds: readonly number[]) {
    let cardinality = 0
    for (let at = 0; at < bounds.length; at += 2) cardinality += (bounds[at + 1] ?? 0) - (bounds[at] ?? 0)
    this.bounds = bounds
    this.cardinality = cardinality
  }

  static readonly empty = new RowSet([])

  /** In any order; a row may be named more than once. */
  static of(rows: Iterable<number>): RowSet {
    const sorted = Float64Array.from(rows).sort()
    const bounds: number[] = []
    for (const row of sorted) appendRun(bounds, row, row + 1)
    return new RowSet(bounds)
  }

  /** Rows from `from` up to, not including, `to`. */
  static range(from: number, to: number): RowSet {
    return new RowSet(from < to ? [from, to] : [])
  }

  has(row: number): boolean {
    let [low, high] = [0, this.bounds.length / 2]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.bounds[2 * middle + 1] ?? 0) <= row) low = middle + 1
      else high = middle
    }
    return row >= (this.bounds[2 * low] ?? Number.POSITIVE_INFINITY)
  }

  union(other: RowSet): RowSet {
    const bounds: number[] = []
    let [a, b] = [0, 0]
    while (a < this.bounds.length || b < other.bounds.length) {
      const [fromA, fromB] = [startAt(this.bounds, a), startAt(other.bounds, b)]
      if (fromA <= fromB) {
        appendRun(bounds, fromA, this.bounds[a + 1] ?? 0)
        a += 2
      } else {
        appendRun(bounds, fromB, other.bounds[b + 1] ?? 0)
        b += 2
      }
    }
    return new RowSet(bounds)
  }

  /** The rows that are not in `other`. */
  minus(other: RowSet): RowSet {
    const bounds: number[] = []
    let b = 0
    for (let a = 0; a < this.bounds.length; a += 2) {
      let from = this.bounds[a] ?? 0
      const to = this.bounds[a + 1] ?? 0
      while ((other.bounds[b + 1] ?? Number.POSITIVE_INFINITY) <= from) b += 2
      for (let c = b; from < to && startAt(other.bounds, c) < to; c += 2) {
        appendRun(bounds, from, Math.max(from, startAt(other.bounds, c)))
        from = Math.max(from, other.bounds[c + 1] ?? 0)
      }
      appendRun(bounds, from, to)
    }
    return new RowSet(bounds)
  }

  /** Row by row, ascending. */
  *rows(): Iterable<number> {
    for (let at = 0; at < this.bounds.length; at += 2) {
      for (let row = this.bounds[at] ?? 0; row < (this.bounds[at + 1] ?? 0); row++) yield row
    }
  }
}

function startAt(bounds: readonly number[], at: number): number {
  return bounds[at] ?? Number.POSITIVE_INFINITY
}

/** Adds a run that begins at or after the start of the last one. */
export function appendRun(bounds: number[], from: number, to: number): void {
  if (from >= to) return
  const last = bounds.length - 1
  const end = bounds[last]
  if (end !== undefined && from <= end) bounds[last] = Math.max(end, to)
  else bounds.push(from, to)
}
