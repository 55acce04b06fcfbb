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

export function seededRandom(seed: number): Random {
  const generator = xoroshiro128plus(seed)
  const word = (): number => generator.next() >>> 0
  const fraction = (): number => word() / 2 ** 32
  const below = (end: number): number => Math.floor(fraction() * end)
  const hex = (): string => word().toString(16).padStart(8, '0')
  return {
    fraction,
    below,
    pick: (items) => items[below(items.length)] ?? items[0],
    weighted: (options) => {
      let left = fraction() * options.reduce((sum, [, weight]) => sum + weight, 0)
      return options.find(([, weight]) => {
        left -= weight
        return left < 0
      })?.[0]
    },
    uuid: () => {
      const [a, b, c, d] = [hex(), hex(), hex(), hex()]
      const variant = '89ab'[Number.parseInt(c.slice(0, 1), 16) & 3]
      return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-${variant}${c.slice(1, 4)}-${c.slice(4)}${d}`
    },
  }
}
