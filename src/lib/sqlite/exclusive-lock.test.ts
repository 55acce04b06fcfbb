import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tryExclusiveLock } from './exclusive-lock.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lakeshore-lock-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

describe('tryExclusiveLock(path)', () => {
  it('has one holder at a time, also within a process', () => {
    const path = join(directory, 'one')

    const first = tryExclusiveLock(path)
    const second = tryExclusiveLock(path)
    first?.release()
    const third = tryExclusiveLock(path)

    expect([first, second, third].map((lock) => lock !== undefined)).toEqual([true, false, true])
    third?.release()
  })

  it('may be released twice, without harm to the next holder', () => {
    const path = join(directory, 'twice')
    const first = tryExclusiveLock(path)
    first?.release()
    const second = tryExclusiveLock(path)

    first?.release()

    expect(tryExclusiveLock(path)).toBeUndefined()
    second?.release()
  })

  it('throws when the file cannot be made', () => {
    expect(() => tryExclusiveLock(join(directory, 'missing', 'lock'))).toThrow()
  })
})
