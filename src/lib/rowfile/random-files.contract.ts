/** Files that are nearly right are read, or refused in one line; nothing else becomes of them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { csvField, mutated, trickyTexts } from './row-file.fixture.ts'
import { openRowFile } from './row-file.ts'

export function describeRandomFiles({ files }: { readonly files: number }): void {
  const seed = Number(process.env['LAKE_FUZZ_SEED'] ?? Date.now() % 1_000_000_007)
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lakeshore-random-files-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  describe(`openRowFile of random bytes, seed ${seed} (LAKE_FUZZ_SEED)`, () => {
    it(`reads or refuses each of ${files} files`, async () => {
      const random = randomOf(seed)
      let [read, refused] = [0, 0]
      for (let index = 0; index < files; index++) {
        const isCsv = random(2) === 0
        const whole = Buffer.from(isCsv ? randomCsv(random) : randomNdjson(random))
        const path = join(folder, isCsv ? 'fuzzed.csv' : 'fuzzed.ndjson')
        await writeFile(path, mutated(whole, random))
        try {
          await using _ = await openRowFile(path)
          read += 1
        } catch (error) {
          if (!isLakeError(error, 'SOURCE_FAILED')) throw error
          expect(error.message.split('\n')).toHaveLength(1)
          refused += 1
        }
      }
      expect(read).toBeGreaterThan(0)
      expect(refused).toBeGreaterThan(0)
    })
  })
}

type Random = (below: number) => number

function randomOf(from: number): Random {
  let state = from >>> 0
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) >>> 0
    return Math.floor(((state >>> 4) / 2 ** 28) * below)
  }
}

const anyText = (random: Random): string => trickyTexts[random(trickyTexts.length)] ?? ''

function randomCsv(random: Random): string {
  const width = 1 + random(3)
  const records = Array.from({ length: 1 + random(4) }, () =>
    Array.from({ length: width }, () => csvField(anyText(random), random(2) === 0)).join(','),
  )
  return `${['a', 'b', 'c'].slice(0, width).join(',')}\n${records.join('\n')}\n`
}

function randomNdjson(random: Random): string {
  return Array.from(
    { length: 1 + random(4) },
    () => `${JSON.stringify({ a: anyText(random), b: [random(9), { c: null }] })}\n`,
  ).join('')
}
