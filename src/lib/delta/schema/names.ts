/** Compares names of columns. Case does not count: some writers spell a name in another case than the schema. */

export function isSameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

/** The name that is spelled the same; if there is none, the one that differs only in case. */
export function sameNameIn(names: readonly string[], name: string): string | undefined {
  return names.includes(name) ? name : names.find((each) => isSameName(each, name))
}

/** As `sameNameIn`, of columns or fields. */
export function findNamed<T extends { readonly name: string }>(
  columns: readonly T[],
  name: string,
): T | undefined {
  return columns.find((each) => each.name === name) ?? columns.find((each) => isSameName(each.name, name))
}
