/**
 * What notebooks need, made where it is missing: the platform compiled, their npm packages, Jupyter, a kernel.
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
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LakeError, messageOf } from '../base/errors.ts'
import { type AloneOptions, alone } from './alone.ts'
import { run } from './command.ts'
import { installVenv, isVenvComplete, jupyterPins } from './python-venv.ts'

/** A program beside the sources, which the compiler does not copy: found from the sources and from what is compiled. */
export const programFile = (name: string): string =>
  fileURLToPath(new URL(`../../../src/lib/jupyter/${name}`, import.meta.url))

export interface EnvironmentSettings {
  /** `npm run build` here makes what cells import. */
  readonly projectFolder: string
  /** What cells import by `name`, as it is compiled: a path from the project, without ending. */
  readonly module: { readonly name: string; readonly compiled: string }
  /** Has the lockfile of what else notebooks import, and gets it. */
  readonly packageFolder: string
  /** Gets the settings of Jupyter, and Jupyter itself where no environment is named. */
  readonly stateFolder: string
  /** A Python environment that has Jupyter. */
  readonly venv?: string | undefined
  /** The variables of Jupyter and its kernels. */
  readonly variables: Readonly<Record<string, string>>
}

export interface NotebookEnvironment {
  /** Folder of Jupyter's programs. */
  readonly bin: string
  /** What Jupyter, and the kernels that it starts, run with. */
  readonly env: Readonly<Record<string, string>>
}

/**
 * `say` is told before whatever takes longer than a blink. Aborting ends installations and waits.
 *
 * @throws LakeError `TOOL_MISSING` naming what could not be had; `CONFIG_INVALID` if the named environment has no Jupyter.
 */
export async function prepareEnvironment(
  settings: EnvironmentSettings,
  options: AloneOptions,
): Promise<NotebookEnvironment> {
  const { projectFolder, packageFolder, stateFolder, variables } = settings
  requireJupyter(settings.venv)
  const home = join(stateFolder, '.jupyter')
  for (const folder of ['kernels/tslab', 'config', 'data', 'runtime', 'ipython']) {
    mkdirSync(join(home, folder), { recursive: true })
  }
  await alone(join(projectFolder, '.cache', 'notebooks', 'install.lock'), options, async () => {
    const logFile = join(home, 'install.log')
    await compile(settings, logFile, options)
    await installPackages(packageFolder, logFile, options)
    linkModule(settings)
  })
  const venv = settings.venv ?? (await ownVenv(stateFolder, home, options))
  const tslab = join(packageFolder, 'node_modules', 'tslab', 'bin', 'tslab')
  const hook = programFile('kernel.cjs')
  writeWhole(join(home, 'kernels', 'tslab', 'kernel.json'), {
    argv: [process.execPath, '--require', hook, tslab, 'kernel', '--config-path', '{connection_file}'],
    display_name: 'TypeScript',
    language: 'typescript',
  })
  return {
    bin: join(venv, 'bin'),
    env: {
      ...variables,
      PATH: `${join(venv, 'bin')}:${variables['PATH'] ?? ''}`,
      JUPYTER_PATH: home,
      JUPYTER_CONFIG_DIR: join(home, 'config'),
      JUPYTER_DATA_DIR: join(home, 'data'),
      JUPYTER_RUNTIME_DIR: join(home, 'runtime'),
      IPYTHONDIR: join(home, 'ipython'),
    },
  }
}

function requireJupyter(venv: string | undefined): void {
  if (venv === undefined || existsSync(join(venv, 'bin', 'jupyter'))) return
  throw new LakeError(
    'CONFIG_INVALID',
    `${venv}: expected a Python environment with Jupyter, found no bin/jupyter`,
    {
      details: { venv, fault: 'no-jupyter' },
    },
  )
}

/** An environment of our own. */
async function ownVenv(stateFolder: string, home: string, options: AloneOptions): Promise<string> {
  const place = { cacheDir: join(stateFolder, '.python'), scratchDir: home, signal: options.signal }
  mkdirSync(place.cacheDir, { recursive: true })
  // Jupyter brings scripts that Node would take for modules below a package that says so.
  writeWhole(join(place.cacheDir, 'package.json'), { type: 'commonjs' })
  return alone(join(place.cacheDir, 'install.lock'), options, () => {
    if (!isVenvComplete('jupyter', jupyterPins, place)) options.say('Installing Jupyter (about 300 MB, once)')
    return installVenv('jupyter', jupyterPins, place)
  })
}

async function compile(
  settings: EnvironmentSettings,
  logFile: string,
  { say, signal }: AloneOptions,
): Promise<void> {
  if (!isBuildStale(settings)) return
  const { projectFolder } = settings
  say('Compiling the platform')
  const startedAt = new Date()
  await run('npm', ['run', '-s', 'build'], { logFile, cwd: projectFolder, signal }).catch(
    refused('build-failed', 'The platform could not be compiled', signal),
  )
  // A build that changed nothing leaves the old time, and would be repeated for ever.
  utimesSync(buildMark(projectFolder), startedAt, startedAt)
}

async function installPackages(
  folder: string,
  logFile: string,
  { say, signal }: AloneOptions,
): Promise<void> {
  const lock = readFileSync(join(folder, 'package-lock.json'))
  const wanted = createHash('sha256').update(lock).digest('hex')
  const complete = join(folder, 'node_modules', '.lakeshore')
  if (existsSync(complete) && readFileSync(complete, 'utf8') === wanted) return
  say('Installing the packages of the notebooks (about 430 MB, once)')
  await run('npm', ['ci'], { logFile, cwd: folder, signal }).catch(
    refused('npm-failed', 'The packages of the notebooks could not be installed', signal),
  )
  writeFileSync(complete, wanted)
}

function refused(fault: string, what: string, signal: AbortSignal): (error: unknown) => never {
  return (error) => {
    signal.throwIfAborted()
    throw new LakeError('TOOL_MISSING', `${what}: ${messageOf(error)}`, { cause: error, details: { fault } })
  }
}

/**
 * The kernel's TypeScript finds a package by `main` and `types` alone, not by `exports`, so the platform itself cannot be
 * the package. The paths are whole, so that the package can also be reached by a link.
 */
function linkModule({ projectFolder, packageFolder, module }: EnvironmentSettings): void {
  const folder = join(packageFolder, 'node_modules', ...module.name.split('/'))
  const door = join(projectFolder, module.compiled)
  mkdirSync(folder, { recursive: true })
  writeWhole(join(folder, 'package.json'), { main: `${door}.js`, types: `${door}.d.ts` })
}

const buildMark = (projectFolder: string): string => join(projectFolder, 'dist', '.tsbuildinfo')

/** True when a source is newer than what was compiled last. */
function isBuildStale({ projectFolder, module }: EnvironmentSettings): boolean {
  const mark = buildMark(projectFolder)
  if (!existsSync(mark) || !existsSync(join(projectFolder, `${module.compiled}.js`))) return true
  const builtMs = statSync(mark).mtimeMs
  const sources = readdirSync(join(projectFolder, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !/\.(test|contract|fixture)\.ts$/.test(path))
    .map((path) => join('src', path))
  return [...sources, 'tsconfig.json', 'tsconfig.build.json'].some(
    (path) => statSync(join(projectFolder, path)).mtimeMs > builtMs,
  )
}

/** Where a kernel works for a notebook: beside it if the packages are found from there, else where they are. */
export function kernelFolder(
  notebook: string,
  { packageFolder }: Pick<EnvironmentSettings, 'packageFolder'>,
): string {
  for (let at = dirname(notebook); ; at = dirname(at)) {
    if (existsSync(join(at, 'node_modules', 'tslab'))) return dirname(notebook)
    if (at === dirname(at)) return packageFolder
  }
}

/** A file that is so already is not touched: the kernels that run watch what they have found modules by. */
function writeWhole(path: string, content: object): void {
  const text = JSON.stringify(content, undefined, 2)
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return
  const partial = `${path}.${process.pid}.tmp`
  writeFileSync(partial, text)
  renameSync(partial, path)
}
