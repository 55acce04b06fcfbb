import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../clock.ts'
import { machineName } from '../machine.ts'
import { OwnFolder } from './own-folder.ts'

let directory: string
let clock: ManualClock
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lakeshore-own-'))
  clock = new ManualClock(Date.parse('2026-11-20T12:00:00Z'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

describe('OwnFolder', () => {
  it('is another one for each user, and goes with it', async () => {
    const [one, two] = [new OwnFolder(directory, clock), new OwnFolder(directory, clock)]
    await one.make()
    await two.make()
    const made = [existsSync(one.path), existsSync(two.path)]
    await one[Symbol.asyncDispose]()
    await two[Symbol.asyncDispose]()

    expect(one.path).not.toBe(two.path)
    expect(made).toEqual([true, true])
    expect(await readdir(directory)).toEqual([])
  })

  it('removes the folder of a process that is gone, and not that of one that lives', async () => {
    const gone = join(directory, `user-${machineName()}-999999999-x`)
    const alive = join(directory, `user-${machineName()}-${process.ppid}-x`)
    await mkdir(gone)
    await mkdir(alive)

    await using own = new OwnFolder(directory, clock)
    await own.make()

    expect([existsSync(gone), existsSync(alive)]).toEqual([false, true])
  })

  it('keeps what another container uses, whose processes it cannot see, and removes what it left behind', async () => {
    // The numbers are of processes that do not exist here, or are this one.
    const [used, abandoned] = [`user-other-${process.pid}-x`, 'user-other-999999999-x']
    for (const [name, ageSeconds] of [
      [used, 23 * 3_600],
      [abandoned, 25 * 3_600],
    ] as const) {
      await mkdir(join(directory, name))
      const at = clock.now() / 1_000 - ageSeconds
      await utimes(join(directory, name), at, at)
    }

    await using own = new OwnFolder(directory, clock)
    await own.make()

    const left = await readdir(directory)
    expect([left.includes(used), left.includes(abandoned)]).toEqual([true, false])
  })
})
