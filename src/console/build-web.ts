/**
 * Builds the page with Vite, if its sources have changed since the last build.
 *
 * The folder of a build is named after the hash of its sources, and appears by one rename. So a build is whole or
 * absent, two builders at once do no harm, and a console that serves an older build goes on.
 */
import { createHash, randomUUID } from 'node:crypto'
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { z } from 'zod'
import { LakeError, messageOf, systemCode } from '../lib/base/errors.ts'
import { makeFolders } from '../lib/base/files/folders.ts'

const root = join(import.meta.dirname, '../..')

/** What React asks for the mode of the build. */
const modeName = ['process', 'env', 'NODE_ENV'].join('.')

const recipe = {
  configFile: false,
  envDir: false,
  publicDir: false,
  base: './',
  mode: 'production',
  logLevel: 'silent',
  // Vite takes both from NODE_ENV where that is set: the build must not depend on who builds.
  define: { [modeName]: JSON.stringify('production') },
  oxc: { jsx: { runtime: 'automatic', development: false } },
  build: {
    emptyOutDir: false,
    target: 'es2022',
    // A data URL in a script or style would need a wider content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 2_000,
  },
} as const

export interface WebBuildOptions {
  /** Folder of the page's sources. */
  readonly sources?: string
  /** Folder of all builds. */
  readonly builds?: string
  /** Loaded when needed only: most starts find a build and need neither Vite nor its memory. */
  readonly loadVite?: () => Promise<Pick<typeof import('vite'), 'build'>>
}

/**
 * @returns The folder to serve.
 * @throws LakeError `FILE_MISSING` without sources, or without a build and Vite; `FILE_UNWRITABLE` where no build can be
 * written, `BUG` with Vite's words when the sources do not build.
 */
export async function ensureWebBuilt({
  sources = join(root, 'src/console/web'),
  builds = join(root, 'dist/console-web'),
  loadVite = () => import('vite'),
}: WebBuildOptions = {}): Promise<string> {
  const target = join(builds, await hashOf(sources))
  if (await exists(target)) return target
  const { build } = await loadVite().catch((error: unknown) => {
    throw systemCode(error) === 'ERR_MODULE_NOT_FOUND' ? noBuilder(error) : error
  })
  const staging = join(builds, `.building-${randomUUID()}`)
  try {
    await makeFolder(staging)
    await runVite(build, sources, staging)
    await moveUnlessThere(staging, target)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
  await removeOld(builds, target)
  return target
}

/** Of the packages that go into the page, and of the one that makes it. */
const manifestSchema = z.object({
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.object({ vite: z.string() }),
})

/** Of everything that the build depends on: sources, exact versions of what goes into it, recipe. */
async function hashOf(sources: string): Promise<string> {
  const hash = createHash('sha256')
  for (const file of await filesOf(sources)) {
    hash.update(`${relative(sources, file).replaceAll('\\', '/')}\0`)
    hash.update(await readFile(file))
    hash.update('\0')
  }
  hash.update(JSON.stringify(recipe))
  const manifest: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  hash.update(JSON.stringify(manifestSchema.parse(manifest)))
  return hash.digest('hex').slice(0, 16)
}

async function filesOf(sources: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(sources, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
  } catch (error) {
    throw new LakeError('FILE_MISSING', `Console: no sources of the page in ${sources}`, { cause: error })
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await makeFolders(path)
  } catch (error) {
    throw new LakeError('FILE_UNWRITABLE', `Console: cannot write the page to ${path}: ${messageOf(error)}`, {
      cause: error,
      details: { path, fault: 'page-unwritable' },
    })
  }
}

const noBuilder = (cause: unknown): LakeError =>
  new LakeError(
    'FILE_MISSING',
    'Console: the page is not built, and Vite, which builds it, is not installed',
    {
      cause,
      details: { fault: 'page-not-built' },
    },
  )

type Build = typeof import('vite').build

async function runVite(build: Build, sources: string, outDir: string): Promise<void> {
  try {
    await build({ ...recipe, root: sources, build: { ...recipe.build, outDir } })
  } catch (error) {
    throw new LakeError('BUG', `Console: the page does not build: ${messageOf(error)}`, { cause: error })
  }
}

async function moveUnlessThere(staging: string, target: string): Promise<void> {
  try {
    await rename(staging, target)
  } catch (error) {
    // Another process was faster with the same sources.
    if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(systemCode(error) ?? '') || !(await exists(target))) {
      throw error
    }
  }
}

const keptMs = 86_400_000

/** Best effort: an old build that stays only takes space. One of the last day may still be served. */
async function removeOld(builds: string, current: string): Promise<void> {
  const old: string[] = []
  for (const name of await readdir(builds)) {
    const path = join(builds, name)
    const found = path === current ? undefined : await stat(path).catch(() => undefined)
    if (found !== undefined && Date.now() - found.mtimeMs > keptMs) old.push(path)
  }
  await Promise.all(old.map((path) => rm(path, { recursive: true, force: true }).catch(() => undefined)))
}
