import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isLakeError } from '../base/errors.ts'
import { describeObjectStore } from './store.contract.ts'
import { openLocalStore } from './store.local.ts'

let root = ''
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lakeshore-store-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

describeObjectStore('local', async () => openLocalStore(join(root, 'made', 'on', 'demand')))

describe('openLocalStore(root)', () => {
  it('leaves no temporary file behind, whether it wins or loses', async () => {
    const store = openLocalStore(root)
    await Promise.all([1, 2, 3].map((n) => store.putIfAbsent('log/1', new Uint8Array([n]))))

    expect(await readdir(join(root, 'log'))).toEqual(['1'])
  })

  it('leaves no draft of what could not be put in its place', async () => {
    await mkdir(join(root, 'hint', 'below'), { recursive: true })

    await expect(openLocalStore(root).put('hint', new Uint8Array([1]))).rejects.toSatisfy((error) =>
      isLakeError(error),
    )
    expect(await readdir(root)).toEqual(['hint'])
  })

  it('names the path when a file stands where a folder is needed', async () => {
    await writeFile(join(root, 'log'), '')

    await expect(openLocalStore(root).put('log/1', new Uint8Array())).rejects.toSatisfy(
      (error) => isLakeError(error) && error.message.includes(join(root, 'log')),
    )
  })

  it('reads regular files alone: no pipe and no device holds it up', async () => {
    const store = openLocalStore(root)
    execFileSync('mkfifo', [join(root, 'pipe')])
    await symlink('/dev/zero', join(root, 'zero'))
    await mkdir(join(root, 'folder'))

    for (const key of ['pipe', 'zero', 'folder']) {
      for (const call of [() => store.read(key), () => store.localFile(key)]) {
        await expect(call()).rejects.toMatchObject({
          code: 'SOURCE_FAILED',
          message: `Read ${join(root, key)}: it is not a regular file`,
        })
      }
    }
  })
})
