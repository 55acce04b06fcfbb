import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { lockPath } from './path-lock.ts'

describe('lockPath(path)', () => {
  it('is held by one at a time, who is named to the others', async () => {
    const path = `/tmp/${randomUUID()}/${'long'.repeat(60)}`

    const first = await lockPath(path)
    const second = await lockPath(path)
    if (first.kind === 'acquired') first.release()
    const third = await lockPath(path)

    expect([first.kind, second.kind, third.kind]).toEqual(['acquired', 'held', 'acquired'])
    expect(second).toMatchObject({ pid: process.pid })
    if (third.kind === 'acquired') third.release()
  })

  it('of one path says nothing about another', async () => {
    const [one, other] = [await lockPath(`/tmp/${randomUUID()}`), await lockPath(`/tmp/${randomUUID()}`)]

    expect([one.kind, other.kind]).toEqual(['acquired', 'acquired'])
    for (const lock of [one, other]) if (lock.kind === 'acquired') lock.release()
  })
})
