/**
 * What notebooks need, made where it is missing: the platform compiled, their npm package, Jupyter, a kernel.
 * All of it is kept out of the user's home folder.
 */
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { messageOf } from '../../src/lib/base/errors.ts'
import type { Config } from '../../src/pipeline/platform/config.ts'
import { type AloneOptions, alone } from '../alone.ts'
import { run } from '../services/command.ts'
import { jupyter } from '../services/jupyter.ts'
import { MissingTool } from '../services/service.ts'

export const projectDir = resolve(import.meta.dirname, '..', '..')
export const notebooksDir = join(projectDir, 'notebooks')
const buildMark = join(projectDir, 'dist', '.tsbuildinfo')

export interface NotebookEnvironment {
  /** Folder of Jupyter's programs. */
  readonly bin: string
  /** What Jupyter, and the kernels that it starts, run with. */
  readonly env: Readonly<Record<string, string>>
}

/** `say` is told before whatever takes longer than a blink. Aborting ends the wait for another process. */
export async function prepareEnvironment(
  config: Config,
  options: AloneOptions,
): Promise<NotebookEnvironment> {
  const { say } = options
  const home = join(config.home, 'notebooks', '.jupyter')
  for (const folder of ['kernels/tslab', 'config', 'data', 'runtime', 'ipython']) {
    mkdirSync(join(home, folder), { recursive: true })
  }
  await alone(join(projectDir, '.cache', 'notebooks', 'install.lock'), options, async () => {
    const logFile = join(home, 'install.log')
    if (isBuildStale()) {
      say('Compiling the platform')
      const startedAt = new Date()
      await run('npm', ['run', '-s', 'build'], { logFile, cwd: projectDir })
      // A build that changed nothing leaves the old time, and would be repeated for ever.
      utimesSync(buildMark, startedAt, startedAt)
    }
    await installPackage(logFile, say)
    linkPlatform()
  })
  const venv = await findVenv(config, home, options)
  const tslab = join(notebooksDir, 'node_modules', 'tslab', 'bin', 'tslab')
  const hook = join(import.meta.dirname, 'kernel.cjs')
  writeWhole(join(home, 'kernels', 'tslab', 'kernel.json'), {
    argv: [process.execPath, '--require', hook, tslab, 'kernel', '--config-path', '{connection_file}'],
    display_name: 'TypeScript',
    language: 'typescript',
  })
  return {
    bin: join(venv, 'bin'),
    env: {
      ...absolutePaths(process.env),
      LAKE_HOME: config.home,
      LAKE_URI: config.lakeUri,
      PATH: `${join(venv, 'bin')}:${process.env['PATH'] ?? ''}`,
      JUPYTER_PATH: home,
      JUPYTER_CONFIG_DIR: join(home, 'config'),
      JUPYTER_DATA_DIR: join(home, 'data'),
      JUPYTER_RUNTIME_DIR: join(home, 'runtime'),
      IPYTHONDIR: join(home, 'ipython'),
    },
  }
}

/** `JUPYTER_VENV`, or an environment of our own below LAKE_HOME. */
async function findVenv(config: Config, home: string, options: AloneOptions): Promise<string> {
  const given = process.env['JUPYTER_VENV']
  if (given !== undefined && given !== '') {
    if (existsSync(join(given, 'bin', 'jupyter'))) return resolve(given)
    throw new MissingTool(`JUPYTER_VENV ${given}: there is no bin/jupyter. Name another, or unset it.`)
  }
  const place = { cacheDir: join(config.home, 'notebooks', '.python'), scratchDir: home }
  mkdirSync(place.cacheDir, { recursive: true })
  // Jupyter brings scripts that Node would take for modules below a package that says so.
  writeWhole(join(place.cacheDir, 'package.json'), { type: 'commonjs' })
  return alone(join(place.cacheDir, 'install.lock'), options, async () => {
    if (!existsSync(join(place.cacheDir, 'jupyter-venv', 'complete'))) {
      options.say('Installing Jupyter (about 300 MB, once)')
    }
    const { env } = await jupyter.start(place).catch((error: unknown) => {
      throw new MissingTool(
        `${messageOf(error)}\nJupyter needs python3 with its venv module (Debian: python3-venv) and a package index. Or name an environment that has it with JUPYTER_VENV.`,
      )
    })
    const venv = env['JUPYTER_VENV']
    if (venv === undefined) throw new MissingTool('Jupyter could not be installed')
    return venv
  })
}

async function installPackage(logFile: string, say: (line: string) => void): Promise<void> {
  const lock = readFileSync(join(notebooksDir, 'package-lock.json'))
  const wanted = createHash('sha256').update(lock).digest('hex')
  const complete = join(notebooksDir, 'node_modules', '.lakeshore')
  if (existsSync(complete) && readFileSync(complete, 'utf8') === wanted) return
  say('Installing the packages of the notebooks (about 430 MB, once)')
  await run('npm', ['ci'], { logFile, cwd: notebooksDir })
  writeFileSync(complete, wanted)
}

/**
 * `lakeshore/notebook`, for cells. The kernel's TypeScript finds a package by `main` and `types` alone, not by
 * `exports`, so the platform itself cannot be the package.
 */
function linkPlatform(): void {
  const folder = join(notebooksDir, 'node_modules', 'lakeshore', 'notebook')
  const door = relative(folder, join(projectDir, 'dist', 'notebook', 'index'))
  mkdirSync(folder, { recursive: true })
  writeWhole(join(folder, 'package.json'), { main: `${door}.js`, types: `${door}.d.ts` })
}

/** True when a source is newer than what was compiled last. */
function isBuildStale(): boolean {
  if (!existsSync(buildMark) || !existsSync(join(projectDir, 'dist', 'notebook', 'index.js'))) return true
  const builtMs = statSync(buildMark).mtimeMs
  const sources = readdirSync(join(projectDir, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !/\.(test|contract|fixture)\.ts$/.test(path))
    .map((path) => join('src', path))
  return [...sources, 'tsconfig.json', 'tsconfig.build.json'].some(
    (path) => statSync(join(projectDir, path)).mtimeMs > builtMs,
  )
}

/** The kernel works in another folder: what a variable names from here, it must name from there. */
function absolutePaths(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => {
      if (value === undefined) return []
      return [[name, /_FILE$/.test(name) && value.startsWith('.') ? resolve(value) : value]]
    }),
  )
}

function writeWhole(path: string, content: object): void {
  const partial = `${path}.${process.pid}.tmp`
  writeFileSync(partial, JSON.stringify(content, undefined, 2))
  renameSync(partial, path)
}
