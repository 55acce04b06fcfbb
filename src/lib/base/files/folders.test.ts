import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeFolders } from './folders.ts'

let root = ''
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lakeshore-folders-'))
})
afterEach(() => rm(root, { recursive: true }))

describe('makeFolders(path)', () => {
  it('makes all that are missing, also when many do so at once', async () => {
    await Promise.all(Array.from({ length: 10 }, () => makeFolders(join(root, 'a/b/c'))))

    expect((await stat(join(root, 'a/b/c'))).isDirectory()).toBe(true)
  })

  it('fails where a file stands in the way', async () => {
    await writeFile(join(root, 'file'), '')

    await expect(makeFolders(join(root, 'file/below'))).rejects.toThrow(/ENOTDIR/)
  })

  it.runIf(process.platform === 'linux')('fails, and ends, where no folder can be', async () => {
    await expect(makeFolders('/proc/none/below')).rejects.toThrow(/ENOENT/)
  })
})
