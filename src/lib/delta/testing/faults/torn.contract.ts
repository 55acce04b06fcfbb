import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { randomOf } from '../random.fixture.ts'
import { kindOf, openTornBench, readTorn, tables } from './torn.fixture.ts'

const seed = Number(process.env['LAKE_TORN_SEED'] ?? Date.now() % 1_000_000_007)

/** Of each file so many copies are cut short, and so many have a bit flipped. */
export interface TornExtent {
  readonly cuts: number
  readonly flips: number
}

export function describeTorn({ cuts, flips }: TornExtent): void {
  let duckdb: DuckDb
  const figures = new Map<string, Record<string, number>>()
  beforeAll(async () => {
    duckdb = await openDuckDb({ threads: 1 })
  })
  afterAll(() => {
    duckdb[Symbol.dispose]()
    process.stdout.write(`torn and flipped files, seed ${seed}:\n`)
    for (const [kind, counts] of figures) process.stdout.write(`  ${kind}: ${JSON.stringify(counts)}\n`)
    expect([...figures.keys()].sort()).toEqual([
      'checkpoint',
      'checksum',
      'commit',
      'data',
      'hint',
      'manifest',
      'sidecar',
      'vector',
    ])
    for (const { cut, flip } of figures.values()) expect(Math.min(cut ?? 0, flip ?? 0)).toBeGreaterThan(0)
  })

  describe('a file cut short, or with a bit flipped', () => {
    it.each(
      tables,
    )(`is refused, or costs no row, in a table with a %s checkpoint (seed ${seed})`, async (kind) => {
      const random = randomOf(seed)
      const bench = await openTornBench(duckdb, kind)
      const wrong: string[] = []
      for (const key of bench.keys) {
        const bytes = await bench.store.read(key)
        const counts = figures.get(kindOf(key)) ?? {}
        figures.set(kindOf(key), counts)
        for (let each = 0; each < cuts + flips; each++) {
          const at = random(bytes.length)
          const damage =
            each < cuts ? ({ kind: 'cut', at } as const) : ({ kind: 'flip', at, bit: random(8) } as const)
          const finding = await readTorn(bench, key, damage)
          const name = typeof finding === 'string' ? finding : 'wrong'
          for (const count of [damage.kind, name]) counts[count] = (counts[count] ?? 0) + 1
          if (typeof finding !== 'string') wrong.push(`${key}, ${JSON.stringify(damage)}: ${finding.wrong}`)
        }
      }
      await bench.store[Symbol.asyncDispose]()

      expect(wrong).toEqual([])
    })
  })
}
