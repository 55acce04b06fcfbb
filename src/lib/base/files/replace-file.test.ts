import { execFileSync } from 'node:child_process'
import {
  chmod,
  constants,
  lstat,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { replaceFile } from './replace-file.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-replace-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('replaceFile(path, content)', () => {
  it('puts a text, or what a function writes, in the place of the file, and leaves nothing else', async () => {
    const path = join(folder, 'a.json')

    await replaceFile(path, 'old')
    await replaceFile(path, (draft) => writeFile(draft, 'new'))

    expect(await readFile(path, 'utf8')).toBe('new')
    expect(await readdir(folder)).toEqual(['a.json'])
  })

  it('keeps the old file where writing fails, and leaves no draft', async () => {
    const path = join(folder, 'a.json')
    await replaceFile(path, 'old')

    const failing = replaceFile(path, async (draft) => {
      await writeFile(draft, 'half')
      throw new Error('no more')
    })

    await expect(failing).rejects.toThrow('no more')
    expect(await readFile(path, 'utf8')).toBe('old')
    expect(await readdir(folder)).toEqual(['a.json'])
  })

  it('gives the file the rights asked for', async () => {
    await replaceFile(join(folder, 'secret'), 'x', { mode: 0o600 })

    expect((await stat(join(folder, 'secret'))).mode & 0o777).toBe(0o600)
  })

  it('keeps the link and the rights of the file that it replaces', async () => {
    const [file, link] = [join(folder, 'file'), join(folder, 'link')]
    await writeFile(file, 'old')
    await chmod(file, 0o440)
    await symlink(file, link)

    await replaceFile(link, 'new')

    expect((await lstat(link)).isSymbolicLink()).toBe(true)
    expect(await readFile(file, 'utf8')).toBe('new')
    expect((await stat(file)).mode & 0o777).toBe(0o440)
  })

  it('writes to a pipe, and leaves it one', async () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    const reader = await open(pipe, constants.O_RDONLY | constants.O_NONBLOCK)

    await replaceFile(pipe, 'text')

    expect(String((await reader.read(Buffer.alloc(4))).buffer)).toBe('text')
    expect((await stat(pipe)).isFIFO()).toBe(true)
    await reader.close()
  })

  it('names the file and what it is where it cannot be written', async () => {
    await expect(replaceFile(join(folder, 'no/folder'), 'x', { what: 'ledger' })).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
      message: expect.stringMatching(/^ledger .*no\/folder: ENOENT/),
    })
  })
})
