/** A seeded stream of random values: the same seed gives the same values, on every machine. */
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

export interface Random {
  /** In [0, 1). */
  fraction(): number
  /** A whole number in [0, end). */
  below(end: number): number
  pick<T>(items: readonly [T, ...T[]]): T
  /** One of the options, as often as its weight says. */
  weighted<T extends string>(options: readonly (readonly [T, number])[]): T | undefined
  /** Shaped as a UUID of version 4. */
  uuid(): string
}

/** The hexadecimal digits of every 16-bit number. */
const hexDigits = Array.from({ length: 1 << 16 }, (_, word) => word.toString(16).padStart(4, '0'))
const hexOf = (word: number): string => hexDigits[word & 0xffff] ?? ''

export function seededRandom(seed: number): Random {
  const generator = xoroshiro128plus(seed)
  const word = (): number => generator.next() >>> 0
  const fraction = (): number => word() / 2 ** 32
  const below = (end: number): number => Math.floor(fraction() * end)
  /** By the options, which are constants. */
  const sums = new WeakMap<object, number>()
  const sumOf = (options: readonly (readonly [string, number])[]): number => {
    const known = sums.get(options)
    if (known !== undefined) return known
    const sum = options.reduce((total, [, weight]) => total + weight, 0)
    sums.set(options, sum)
    return sum
  }
  return {
    fraction,
    below,
    pick: (items) => items[below(items.length)] ?? items[0],
    weighted: (options) => {
      let left = fraction() * sumOf(options)
      for (const option of options) {
        left -= option[1]
        if (left < 0) return option[0]
      }
      return undefined
    },
    uuid: () => {
      const [a, b, c, d] = [word(), word(), word(), word()]
      const version = `4${hexOf(b).slice(1)}`
      const variant = `${'89ab'[(c >>> 28) & 3]}${hexOf(c >>> 16).slice(1)}`
      return `${hexOf(a >>> 16)}${hexOf(a)}-${hexOf(b >>> 16)}-${version}-${variant}-${hexOf(c)}${hexOf(d >>> 16)}${hexOf(d)}`
    },
  }
}
