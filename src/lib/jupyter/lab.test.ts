import { lstat, mkdir, mkdtemp, readlink, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { kernelFolder } from './environment.ts'
import { linkInto } from './lab.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-own-folder-'))
  await mkdir(join(folder, 'checkout', 'node_modules', 'tslab'), { recursive: true })
})
afterEach(() => rm(folder, { recursive: true }))

const checkout = (name = 'checkout') => ({
  packages: join(folder, name, 'node_modules'),
  lessons: join(folder, name),
})

describe('linkInto(folder, checkout)', () => {
  it('makes the folder, and leads from it to packages and lessons', async () => {
    const own = join(folder, 'own')

    linkInto(own, checkout())
    linkInto(own, checkout())

    expect(await readlink(join(own, 'node_modules'))).toBe(checkout().packages)
    expect(await readlink(join(own, 'lessons'))).toBe(checkout().lessons)
  })

  it('leaves what the user has put there', async () => {
    const own = join(folder, 'own')
    await mkdir(join(own, 'node_modules'), { recursive: true })
    await writeFile(join(own, 'lessons'), 'mine')

    linkInto(own, checkout())

    expect((await lstat(join(own, 'node_modules'))).isDirectory()).toBe(true)
    expect((await lstat(join(own, 'lessons'))).isFile()).toBe(true)
  })

  it('follows a checkout that has moved', async () => {
    const own = join(folder, 'own')
    linkInto(own, checkout())
    await rename(join(folder, 'checkout'), join(folder, 'moved'))

    linkInto(own, checkout('moved'))

    expect(await readlink(join(own, 'node_modules'))).toBe(checkout('moved').packages)
  })
})

describe('kernelFolder(notebook, settings)', () => {
  it('is beside the notebook where cells find their packages from there, and where the packages are elsewhere', () => {
    const own = join(folder, 'own')
    linkInto(own, checkout())
    const settings = { packageFolder: join(folder, 'checkout') }

    expect(kernelFolder(join(own, 'team', 'churn.ipynb'), settings)).toBe(join(own, 'team'))
    expect(kernelFolder(join(folder, 'elsewhere', 'churn.ipynb'), settings)).toBe(settings.packageFolder)
  })
})
