import { spawn } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { describeOwner, formatOwner, livenessOf, newOwner, parseOwner } from './owner.ts'

describe('formatOwner(owner), parseOwner(text)', () => {
  it('go there and back', () => {
    const owner = newOwner()

    expect(parseOwner(formatOwner(owner))).toEqual(owner)
  })

  it('know a text that is none of theirs', () => {
    expect(parseOwner('somebody')).toBeUndefined()
    expect(describeOwner('somebody')).toBe('somebody')
  })

  it('tell two owners of one process apart', () => {
    expect(formatOwner(newOwner())).not.toBe(formatOwner(newOwner()))
  })
})

describe('livenessOf(text)', () => {
  it('finds this process alive', () => {
    expect(livenessOf(formatOwner(newOwner()))).toBe('alive')
  })

  it('finds a process dead that was killed', async () => {
    const child = spawn('sleep', ['60'])
    const owner = { ...newOwner(), pid: child.pid ?? 0 }
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone

    expect(livenessOf(formatOwner(owner))).toBe('dead')
  })

  it.runIf(process.platform === 'linux')('finds a process dead whose pid another one has now', () => {
    expect(livenessOf(formatOwner({ ...newOwner(), started: '1' }))).toBe('dead')
  })

  it('does not judge a process of another machine', () => {
    expect(livenessOf(formatOwner({ ...newOwner(), machine: 'other' }))).toBe('unknown')
    expect(livenessOf('somebody')).toBe('unknown')
  })
})
