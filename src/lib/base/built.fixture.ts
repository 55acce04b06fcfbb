/** Modules as JavaScript: a process of them starts several times as fast as one from source. */
import { rmSync } from 'node:fs'
import { copyFile, mkdtemp, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { build } from 'vite'
import { atProcessEnd } from './process-end.fixture.ts'

const root = resolve(import.meta.dirname, '../../..')

export interface BuiltModules {
  readonly folder: string
  /** What Node runs or imports. @param source below `src`, as `cli/main.ts`. */
  fileOf(source: string): string
}

const built = new Map<string, Promise<BuiltModules>>()

/**
 * Laid out as `npm run build` lays it out, in a folder of its own, without checking types. Test files of one worker
 * that ask for the same modules share them; they are removed when the worker ends.
 *
 * @param sources below `src`; what they import is built too.
 */
export function buildModules(sources: readonly string[]): Promise<BuiltModules> {
  const key = sources.join(' ')
  const found = built.get(key) ?? buildOnce(sources)
  built.set(key, found)
  return found
}

async function buildOnce(sources: readonly string[]): Promise<BuiltModules> {
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-built-'))
  atProcessEnd(() => rmSync(folder, { recursive: true, force: true }))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await copyFile(join(root, 'package.json'), join(folder, 'package.json'))
  await build({
    root,
    configFile: false,
    logLevel: 'error',
    build: {
      ssr: true,
      outDir: join(folder, 'dist'),
      emptyOutDir: false,
      target: 'node20',
      rolldownOptions: {
        input: sources.map((source) => join(root, 'src', source)),
        output: {
          preserveModules: true,
          preserveModulesRoot: join(root, 'src'),
          entryFileNames: '[name].js',
        },
      },
    },
  })
  return {
    folder,
    fileOf: (source) => join(folder, 'dist', source.replace(/\.ts$/, '.js')),
  }
}
