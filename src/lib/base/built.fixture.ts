/** Modules as JavaScript: a process of them starts several times as fast as one from source. */
import { copyFile, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { build } from 'vite'

const root = resolve(import.meta.dirname, '../../..')

export interface BuiltModules extends AsyncDisposable {
  readonly folder: string
  /** What Node runs or imports. @param source below `src`, as `cli/main.ts`. */
  fileOf(source: string): string
}

/**
 * Laid out as `npm run build` lays it out, in a folder of its own, without checking types.
 *
 * @param sources below `src`; what they import is built too.
 */
export async function buildModules(sources: readonly string[]): Promise<BuiltModules> {
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-built-'))
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
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
