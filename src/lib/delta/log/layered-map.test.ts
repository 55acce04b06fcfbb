import { describe, expect, it } from 'vitest'
import { LayeredMap } from './layered-map.ts'

interface Item {
  readonly key: string
  readonly at: number
}

function item(n: number, at = 0): Item {
  return { key: `k${n}`, at }
}

/** With a base of 1,000. */
function loaded(): LayeredMap<Item> {
  const map = new LayeredMap<Item>(({ key }) => key)
  map.load({ count: 1_000, values: () => Array.from({ length: 1_000 }, (_, n) => item(n)) })
  return map
}

describe('LayeredMap', () => {
  it('has the newest of each key', () => {
    const map = loaded()
    map.set(item(1, 7))
    map.delete('k2')
    map.set(item(2_000))

    expect(map.size).toBe(1_000)
    expect(new Map(map).get('k1')).toEqual(item(1, 7))
    expect(new Map(map).has('k2')).toBe(false)
    expect(new Map(map).get('k2000')).toEqual(item(2_000))
  })

  it('asks a source for its values once, and only for what needs them', () => {
    let asked = 0
    const map = new LayeredMap<Item>(({ key }) => key)
    map.load({
      count: 1,
      values: () => {
        asked++
        return [item(1)]
      },
    })
    const copy = map.copy()
    copy.set(item(2))
    expect(asked).toBe(0)

    expect([map.values().length, copy.values().length, asked]).toEqual([1, 2, 1])
    expect(copy.values()[0]).toBe(map.values()[0])
  })

  it('has once what its sources have twice', () => {
    const map = loaded()
    map.load({ count: 2, values: () => [item(3, 8), item(1_000)] })

    expect(map.size).toBe(1_001)
    expect(new Map(map).get('k3')).toEqual(item(3, 8))
  })

  it('is not changed by what a copy takes, and the other way, however much that is', () => {
    const map = loaded()
    const copies = [map]
    for (let step = 0; step < 10; step++) {
      const copy = copies.at(-1)?.copy() ?? map
      for (let n = step * 50; n < step * 50 + 50; n++) copy.delete(`k${n}`)
      copy.set(item(5_000 + step))
      copies.push(copy)
    }

    expect(copies.map(({ size }) => size)).toEqual(copies.map((_, step) => 1_000 - step * 49))
    copies.forEach((copy, step) => {
      expect(new Map(copy).has(`k${step * 50}`)).toBe(true)
      expect(new Map(copy).has(`k${step * 50 - 1}`)).toBe(false)
    })
  })
})
