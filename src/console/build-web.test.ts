import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ensureWebBuilt } from './build-web.ts'

let root: string
let place: { readonly sources: string; readonly builds: string }

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'console-web-'))
  place = { sources: join(root, 'web'), builds: join(root, 'dist/console-web') }
  await mkdir(place.sources)
  await write(
    'index.html',
    '<!doctype html><title>Page</title><script type="module" src="./main.ts"></script>',
  )
  await write('main.ts', 'document.title = "one"')
})

afterEach(() => rm(root, { recursive: true, force: true }))

const write = (name: string, text: string): Promise<void> => writeFile(join(place.sources, name), text)

async function scriptIn(webRoot: string): Promise<string> {
  const [name = ''] = await readdir(join(webRoot, 'assets'))
  return readFile(join(webRoot, 'assets', name), 'utf8')
}

describe('ensureWebBuilt(options)', () => {
  it('builds once, and again when a source is another', async () => {
    const first = await ensureWebBuilt(place)
    await writeFile(join(first, 'mark'), '')
    const second = await ensureWebBuilt(place)
    await write('main.ts', 'document.title = "two"')
    const third = await ensureWebBuilt(place)

    expect(second).toBe(first)
    expect(await readdir(second)).toContain('mark')
    expect(await scriptIn(third)).toContain('two')
    expect(await scriptIn(first)).toContain('one')
  })

  it('builds for production, whatever the environment of the builder says', async () => {
    await write('main.ts', 'document.title = process.env.NODE_ENV')

    expect(await scriptIn(await ensureWebBuilt(place))).toContain('production')
  })

  it('leaves one whole build when several build at once', async () => {
    const built = await Promise.all([1, 2, 3].map(() => ensureWebBuilt(place)))

    expect(new Set(built).size).toBe(1)
    expect(await readdir(place.builds)).toHaveLength(1)
    expect(await readFile(join(built[0] ?? '', 'index.html'), 'utf8')).toContain('./assets/')
  })

  it('leaves nothing behind when the sources do not build', async () => {
    await write('main.ts', 'import "./missing.ts"')

    await expect(ensureWebBuilt(place)).rejects.toMatchObject({
      code: 'BUG',
      message: expect.stringContaining('missing.ts'),
    })
    expect(await readdir(place.builds)).toEqual([])
  })

  it('says that Vite is missing where there is no build, and needs none where there is one', async () => {
    const loadVite = (): Promise<never> =>
      Promise.reject(Object.assign(new Error("Cannot find package 'vite'"), { code: 'ERR_MODULE_NOT_FOUND' }))

    await expect(ensureWebBuilt({ ...place, loadVite })).rejects.toMatchObject({
      code: 'FILE_MISSING',
      details: { fault: 'page-not-built' },
    })
    const built = await ensureWebBuilt(place)

    expect(await ensureWebBuilt({ ...place, loadVite })).toBe(built)
  })

  it('says that there are no sources', async () => {
    await expect(ensureWebBuilt({ ...place, sources: join(root, 'none') })).rejects.toMatchObject({
      code: 'FILE_MISSING',
    })
  })
})
