/**
 * A map of many values that is cheap to copy: copies share a base that never changes, and each adds its own changes.
 *
 * The base may keep its values in a compact form; they are made when they are first asked for.
 */

/** Some values; asked for once. */
export interface Source<T> {
  /** How many, whatever their keys. */
  readonly count: number
  values(): readonly T[]
}

/** A copy that has changed by more than the root of the size is made a base of its own. */
const fewChanges = 100

export class LayeredMap<T> {
  readonly #keyOf: (value: T) => string
  #base: Base<T> = new Base()
  /** `undefined` for what is gone. */
  #since = new Map<string, T | undefined>()

  constructor(keyOf: (value: T) => string) {
    this.#keyOf = keyOf
  }

  /** Adds values of keys that the map has not. Of those that have the same key, the last counts. */
  load(source: Source<T>): void {
    this.#base.add(source)
  }

  set(value: T): void {
    this.#since.set(this.#keyOf(value), value)
  }

  delete(key: string): void {
    this.#since.set(key, undefined)
  }

  get size(): number {
    return this.values().length
  }

  values(): readonly T[] {
    const base = this.#base.values(this.#keyOf)
    if (this.#since.size === 0) return base
    const values = base.filter((value) => !this.#since.has(this.#keyOf(value)))
    for (const value of this.#since.values()) if (value !== undefined) values.push(value)
    return values
  }

  *[Symbol.iterator](): Iterator<readonly [string, T]> {
    for (const value of this.values()) yield [this.#keyOf(value), value]
  }

  /** A map that can go its own way. */
  copy(): LayeredMap<T> {
    const copy = new LayeredMap(this.#keyOf)
    if (this.#since.size > fewChanges && this.#since.size ** 2 > this.#base.count) {
      const values = this.values()
      copy.#base.add({ count: values.length, values: () => values })
    } else {
      copy.#base = this.#base
      copy.#since = new Map(this.#since)
    }
    return copy
  }
}

class Base<T> {
  #sources: Source<T>[] = []
  #values: readonly T[] = []
  count = 0

  add(source: Source<T>): void {
    this.#sources.push(source)
    this.count += source.count
  }

  values(keyOf: (value: T) => string): readonly T[] {
    if (this.#sources.length > 0) {
      this.#values = unique(this.#values.concat(...this.#sources.map((source) => source.values())), keyOf)
      this.#sources = []
    }
    return this.#values
  }
}

function unique<T>(values: readonly T[], keyOf: (value: T) => string): readonly T[] {
  const keys = new Set<string>()
  for (const value of values) keys.add(keyOf(value))
  if (keys.size === values.length) return values
  return [...new Map(values.map((value) => [keyOf(value), value])).values()]
}
