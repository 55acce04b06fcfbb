/** Suggests names for one that was misspelled. */

/** Up to three of `names`, nearest first: a few letters are wrong, missing or swapped. */
export function nearest(given: string, names: Iterable<string>): readonly string[] {
  const wanted = given.toLowerCase()
  const most = Math.max(1, Math.floor(wanted.length * 0.4))
  const rated = [...new Set(names)].map((name) => {
    const lower = name.toLowerCase()
    const last = lower.split(/[./]/).at(-1) ?? lower
    return { name, distance: Math.min(distance(wanted, lower), 1 + distance(wanted, last)) }
  })
  return rated
    .filter((each) => each.distance <= most)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ name }) => name)
}

/** `Did you mean a, or b?`; `undefined` where nothing is near. */
export function didYouMean(given: string, names: Iterable<string>): string | undefined {
  const found = nearest(given, names)
  return found.length === 0 ? undefined : `Did you mean ${found.join(' or ')}?`
}

/** How many letters to add, to take away, to change or to swap with the next. */
function distance(a: string, b: string): number {
  let before: readonly number[] = []
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let least = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + cost)
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwapped) least = Math.min(least, (before[j - 2] ?? 0) + 1)
      next.push(least)
    }
    before = row
    row = next
  }
  return row[b.length] ?? 0
}
