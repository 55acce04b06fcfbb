import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { alone } from './alone.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-alone-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('alone(lock, options, work)', () => {
  it('lets one in at a time, and tells who waits for whom', async () => {
    const lock = join(folder, 'lock')
    const told: string[] = []
    const options = { say: (line: string) => void told.push(line), signal: new AbortController().signal }
    const order: string[] = []
    let second: Promise<void> | undefined
    await alone(lock, options, async () => {
      second = alone(lock, options, async () => void order.push('second'))
      while (told.length === 0) await new Promise((resolve) => setImmediate(resolve))
      order.push('first')
    })
    await second

    expect(order).toEqual(['first', 'second'])
    expect(told).toEqual([`Waiting for process ${process.pid}, which installs`])
  })

  it('ends the wait when aborted', async () => {
    const lock = join(folder, 'lock')
    const [stop, reason] = [new AbortController(), new Error('stop')]
    const say = (): void => stop.abort(reason)
    const work = vi.fn()

    await alone(lock, { say, signal: new AbortController().signal }, async () => {
      await expect(alone(lock, { say, signal: stop.signal }, work)).rejects.toBe(reason)
    })
    expect(work).not.toHaveBeenCalled()
  })
})
