import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hasRoomInMemory, makeFolder } from './temporary-files-in-memory.ts'

let parent = ''
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'lakeshore-in-memory-'))
})
afterEach(() => rm(parent, { recursive: true }))

describe('makeFolder(parent)', () => {
  it('removes what a killed run has left, and nothing of a run that lives or of others', async () => {
    const { pid: ended } = spawnSync(process.execPath, ['--version'])
    const others = [`lakeshore-tests-${process.ppid}`, 'somebody', 'lakeshore-tests-x']
    for (const name of [`lakeshore-tests-${ended}`, ...others])
      await mkdir(join(parent, name, 'in', 'it'), { recursive: true })

    const folder = makeFolder(parent)

    expect(folder).toBe(join(parent, `lakeshore-tests-${process.pid}`))
    expect((await readdir(parent)).toSorted()).toEqual(
      [...others, `lakeshore-tests-${process.pid}`].toSorted(),
    )
  })
})

describe('hasRoomInMemory(path, bytes)', () => {
  it('is false for a file system that is no tmpfs, for one without room, and where there is no folder', () => {
    expect(hasRoomInMemory('/proc', 0)).toBe(false)
    expect(hasRoomInMemory('/dev/shm', 2 ** 60)).toBe(false)
    expect(hasRoomInMemory(join(parent, 'none'), 0)).toBe(false)
  })
})
