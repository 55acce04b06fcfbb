/** Three sums over offsets, which are equal for two sets of them only if the sets are, as far as losses and doubles go. */
export interface OffsetSums {
  readonly count: bigint
  readonly total: bigint
  /** The sum of their squares. */
  readonly squares: bigint
}

export const noOffsets: OffsetSums = { count: 0n, total: 0n, squares: 0n }

/** Offsets from `from` to `to`, which is left out. */
export interface Gap {
  readonly from: bigint
  readonly to: bigint
}

export function sumsOf({ from, to }: Gap): OffsetSums {
  if (to <= from) return noOffsets
  return minus(sumsBelow(to), sumsBelow(from))
}

function sumsBelow(n: bigint): OffsetSums {
  return { count: n, total: (n * (n - 1n)) / 2n, squares: ((n - 1n) * n * (2n * n - 1n)) / 6n }
}

export function sumsOfAll(gaps: readonly Gap[]): OffsetSums {
  return gaps.map(sumsOf).reduce(plus, noOffsets)
}

export function plus(a: OffsetSums, b: OffsetSums): OffsetSums {
  return { count: a.count + b.count, total: a.total + b.total, squares: a.squares + b.squares }
}

export function minus(a: OffsetSums, b: OffsetSums): OffsetSums {
  return { count: a.count - b.count, total: a.total - b.total, squares: a.squares - b.squares }
}

export function areEqual(a: OffsetSums, b: OffsetSums): boolean {
  return a.count === b.count && a.total === b.total && a.squares === b.squares
}

/** What is left of gaps without those parts that others cover. */
export function without(gaps: readonly Gap[], others: readonly Gap[]): readonly Gap[] {
  return others.reduce<readonly Gap[]>(
    (rest, other) =>
      rest.flatMap((each) =>
        [
          { from: each.from, to: each.to < other.from ? each.to : other.from },
          { from: each.from > other.to ? each.from : other.to, to: each.to },
        ].filter(({ from, to }) => from < to),
      ),
    gaps,
  )
}

/** The first offsets of a gap, at most so many. */
export function someOffsets({ from, to }: Gap, atMost: number): readonly bigint[] {
  const length = to - from < BigInt(atMost) ? Number(to - from) : atMost
  return Array.from({ length }, (_, at) => from + BigInt(at))
}
