/**
 * A copy of the project in which a change is made, built and tried before the project itself is touched. The packages are
 * those of the project.
 */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { LakeError, messageOf, systemCode } from '../../lib/base/errors.ts'
import { replaceFile } from '../../lib/base/files/replace-file.ts'
import type { IoOptions } from '../../lib/base/io.ts'
import type { Environment } from '../../pipeline/platform/config.ts'
import { projectFolder } from './places.ts'

/** What a metric is built, tested and documented with. */
const copied = [
  'src',
  'scripts',
  'docs',
  'dashboards',
  'deploy',
  'examples',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'vitest.config.ts',
  'biome.json',
]
const linked = ['node_modules']

const runFile = promisify(execFile)

/** Path in the project → content; `undefined`: the file goes. */
export type ChangedFiles = Readonly<Record<string, string | undefined>>

export interface ScratchProject extends AsyncDisposable {
  /** Writes files; `undefined` removes one. */
  change(files: ChangedFiles): Promise<void>
  /** Runs one of the project's programs, such as `scripts/generate.ts`. @returns what it has said. */
  run(words: readonly string[], options: IoOptions): Promise<string>
  /** Makes again what is derived from the declarations, and compiles all. */
  compile(options: IoOptions): Promise<void>
  /** The files that differ from the project's. */
  changed(): Promise<ChangedFiles>
}

/**
 * @param environment What its programs run with, whatever folder they run in.
 * @throws LakeError `USAGE` where the project's sources are not there, as in an installed package.
 */
export async function openScratchProject(environment: Environment): Promise<ScratchProject> {
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-promotion-'))
  try {
    for (const name of copied) await cp(join(projectFolder, name), join(folder, name), { recursive: true })
    for (const name of linked) await symlink(join(projectFolder, name), join(folder, name))
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    if (systemCode(error) !== 'ENOENT') throw error
    throw new LakeError('USAGE', `${projectFolder}: expected a checkout of Lakeshore with its sources`, {
      details: { fix: 'Run the command in a clone of the repository, after npm ci.' },
      cause: error,
    })
  }
  const touched = new Set<string>()
  const run: ScratchProject['run'] = async (words, { signal }) => {
    try {
      const { stdout } = await runFile(process.execPath, words, {
        cwd: folder,
        env: { ...environment, NO_COLOR: '1', FORCE_COLOR: '0' },
        maxBuffer: 2 ** 26,
        ...(signal && { signal }),
      })
      return stdout
    } catch (error) {
      signal?.throwIfAborted()
      const said = `${Reflect.get(Object(error), 'stdout') ?? ''}${Reflect.get(Object(error), 'stderr') ?? ''}`
      throw new LakeError('SOURCE_FAILED', `${words.join(' ')}: ${telling(said) || messageOf(error)}`, {
        details: { fault: 'promotion-step', said },
        cause: error,
      })
    }
  }
  return {
    async change(files) {
      for (const [path, content] of Object.entries(files)) {
        touched.add(path)
        await mkdir(dirname(join(folder, path)), { recursive: true })
        if (content === undefined) await rm(join(folder, path), { force: true })
        else await writeFile(join(folder, path), content)
      }
    },
    run,
    async compile(options) {
      const written = await run(['--import', 'tsx', 'scripts/generate.ts'], options)
      for (const path of written.trim().split('\n')) touched.add(path)
      await run(['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], options)
    },
    async changed() {
      const differing: Record<string, string | undefined> = {}
      for (const path of touched) {
        const [before, after] = await Promise.all(
          [projectFolder, folder].map((root) => textOf(join(root, path))),
        )
        if (before !== after) differing[path] = after
      }
      return differing
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
  }
}

/** The lines that say what is wrong, of all that compiler and tests say. */
function telling(said: string): string {
  const lines = said.split('\n').map((line) => line.trim())
  const found = lines.filter((line) => /\bFAIL\b|\berror\b|Error:|^\{"error"/.test(line))
  return (found.length > 0 ? found : lines.filter((line) => line !== '')).slice(0, 4).join('; ')
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Brings the changes into the project, and into git's index where it is a repository. @returns whether it is one. */
export async function applyToProject(files: ChangedFiles): Promise<boolean> {
  for (const [path, content] of Object.entries(files)) {
    const file = join(projectFolder, path)
    if (content === undefined) await rm(file, { force: true })
    else {
      await mkdir(dirname(file), { recursive: true })
      await replaceFile(file, content, { what: 'write' })
    }
  }
  try {
    await runFile('git', ['add', '--all', '--', ...Object.keys(files)], { cwd: projectFolder })
    return true
  } catch {
    return false
  }
}

/** The changes as `git diff` shows them. */
export async function diffOfProject(files: ChangedFiles): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-diff-'))
  try {
    const parts: string[] = []
    for (const [path, content] of Object.entries(files)) {
      const [before, after] = [join(folder, 'a', path), join(folder, 'b', path)]
      const old = await textOf(join(projectFolder, path))
      for (const [file, text] of [
        [before, old],
        [after, content],
      ] as const) {
        await mkdir(dirname(file), { recursive: true })
        if (text !== undefined) await writeFile(file, text)
      }
      const sides = [old, content].map((text, at) =>
        text === undefined ? '/dev/null' : join(at === 0 ? 'a' : 'b', path),
      )
      parts.push(await noIndexDiff(folder, sides))
    }
    return parts.join('')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Git answers 1 where the sides differ. */
async function noIndexDiff(folder: string, sides: readonly string[]): Promise<string> {
  try {
    const { stdout } = await runFile('git', ['diff', '--no-index', '--no-prefix', '--', ...sides], {
      cwd: folder,
    })
    return stdout
  } catch (error) {
    const said: unknown = Reflect.get(Object(error), 'stdout')
    if (typeof said === 'string' && said !== '') return said
    // Without git: which files, and not their lines.
    if (systemCode(error) === 'ENOENT') return `${sides.join(' → ')}\n`
    throw error
  }
}
