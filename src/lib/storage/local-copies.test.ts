import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../base/clock.ts'
import { LocalCopies } from './local-copies.ts'

let directory: string
let clock: ManualClock
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lakeshore-copies-'))
  clock = new ManualClock(Date.parse('2026-11-20T12:00:00Z'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const open = (maxBytes = 100): LocalCopies => new LocalCopies({ directory, maxBytes, clock, graceMs: 60_000 })
const download =
  (content: string) =>
  (path: string): Promise<void> =>
    writeFile(path, content)
const refuse = (): Promise<void> => Promise.reject(new Error('must not be downloaded'))
const shared = (): Promise<string[]> => readdir(join(directory, 'objects'))

describe('LocalCopies', () => {
  it('evicts what was used longest ago, and keeps the file of whoever was given it', async () => {
    await using one = open()
    await using two = open()
    const held = await one.file('a', download('a'.repeat(60)))
    clock.advance(1_000)
    await two.file('b', download('b'.repeat(60)))

    expect(await shared()).toHaveLength(1)
    expect(await readFile(held, 'utf8')).toBe('a'.repeat(60))
    expect(await one.file('a', refuse)).toBe(held)
    await one.file('b', refuse)
  })

  it('lets go of a file after the grace since it was last handed out', async () => {
    await using copies = open()
    const old = await copies.file('a', download('a'.repeat(60)))
    const fresh = await copies.file('b', download('b'.repeat(60)))
    clock.advance(50_000)
    await copies.file('b', refuse)
    clock.advance(50_000)

    await copies.file('c', download('c'.repeat(60)))

    expect([existsSync(old), existsSync(fresh)]).toEqual([false, true])
  })

  it('hands out what is larger than all copies may be, and keeps the others for its sake', async () => {
    await using copies = open()
    await using other = open()
    await copies.file('small', download('s'))

    const large = await copies.file('large', download('l'.repeat(1_000)))

    expect(await readFile(large, 'utf8')).toHaveLength(1_000)
    expect(await copies.file('large', refuse)).toBe(large)
    await other.file('small', refuse)
    await other.file('large', download('l'.repeat(1_000)))
    clock.advance(100_000)
    await copies.file('larger', download('l'.repeat(2_000)))
    expect(existsSync(large)).toBe(false)
  })

  it('leaves nothing of a download that failed', async () => {
    await using copies = open()
    const failing = copies.file('a', async (path) => {
      await writeFile(path, 'half')
      throw new Error('cut')
    })

    await expect(failing).rejects.toThrow('cut')
    expect(await shared()).toEqual([])
    expect(await readFile(await copies.file('a', download('whole')), 'utf8')).toBe('whole')
  })

  it('takes its own folder with it when it is closed', async () => {
    const copies = open()
    await copies.file('a', download('a'))

    await copies[Symbol.asyncDispose]()

    expect(await readdir(directory)).toEqual(['objects'])
  })
})
