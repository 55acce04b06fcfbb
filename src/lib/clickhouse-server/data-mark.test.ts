import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readDataMark, writeDataMark } from './data-mark.ts'
import { dataFolder } from './endpoint.ts'

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-mark-'))
  await mkdir(dataFolder(home))
})
afterEach(() => rm(home, { recursive: true }))

describe('the mark of the data', () => {
  it('is read as it was written, and is another one each time', async () => {
    expect(await readDataMark(home)).toBeUndefined()

    const first = await writeDataMark(home)
    expect(await readDataMark(home)).toBe(first)

    const second = await writeDataMark(home)
    expect(second).not.toBe(first)
    expect(await readDataMark(home)).toBe(second)
  })

  it('goes with the data, and comes back with an older copy of them', async () => {
    const older = await writeDataMark(home)
    await cp(dataFolder(home), join(home, 'copy'), { recursive: true })
    await writeDataMark(home)

    await rm(dataFolder(home), { recursive: true })
    expect(await readDataMark(home)).toBeUndefined()

    await cp(join(home, 'copy'), dataFolder(home), { recursive: true })
    expect(await readDataMark(home)).toBe(older)
  })
})
