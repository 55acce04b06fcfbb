import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { mutations } from './mutations.fixture.ts'

const root = join(import.meta.dirname, '../../..')

describe('mutations', () => {
  it('each change one place that is there, and have a name of their own', () => {
    const counts = mutations.map(({ name, file, find }) => {
      return [name, readFileSync(join(root, file), 'utf8').split(find).length - 1]
    })

    expect(counts.filter(([, count]) => count !== 1)).toEqual([])
    expect(mutations.filter(({ find, replace }) => find === replace)).toEqual([])
    expect(new Set(mutations.map(({ name }) => name)).size).toBe(mutations.length)
  })
})
