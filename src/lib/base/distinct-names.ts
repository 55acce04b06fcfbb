/**
 * Names that are all different, for rows that are keyed by them: the first of a name keeps it, a second is `name:1`,
 * or the next number that is free. A name that is given is never taken for another column.
 */
export function distinctNames(names: readonly string[]): readonly string[] {
  const given = new Set(names)
  if (given.size === names.length) return names
  const seen = new Set<string>()
  const counts = new Map<string, number>()
  return names.map((name) => {
    if (!seen.has(name)) {
      seen.add(name)
      return name
    }
    for (let count = (counts.get(name) ?? 0) + 1; ; count++) {
      const candidate = `${name}:${count}`
      if (given.has(candidate) || seen.has(candidate)) continue
      counts.set(name, count)
      seen.add(candidate)
      return candidate
    }
  })
}
