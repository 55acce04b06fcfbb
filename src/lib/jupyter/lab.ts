/** JupyterLab on the loopback, as a program that runs until it is stopped. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { LakeError } from '../base/errors.ts'
import { freePort } from './command.ts'
import type { NotebookEnvironment } from './environment.ts'

export interface LabOptions {
  readonly environment: NotebookEnvironment
  /** What the file list shows. */
  readonly folder: string
  /** Below the folder: opened first. */
  readonly first?: string | undefined
  /** Default: one that is free. */
  readonly port?: number | undefined
  readonly hasBrowser: boolean
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

/** By the files of Jupyter's folder of settings. */
const settings = {
  'jupyter_lab_config.json': {
    LabApp: { news_url: null, check_for_updates_class: 'jupyterlab.NeverCheckForUpdate' },
    ContentsManager: { hide_globs: ['node_modules', '__pycache__', '*.pyc', '*.pyo', '.DS_Store', '*~'] },
  },
  'labconfig/default_setting_overrides.json': {
    // Else it asks whether news are wanted, even where it has none to look for.
    '@jupyterlab/apputils-extension:notification': {
      fetchNews: 'false',
      checkForUpdates: false,
    },
  },
}

function writeSettings(folder: string): void {
  for (const [file, content] of Object.entries(settings)) {
    const path = join(folder, file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, JSON.stringify(content, undefined, 2))
  }
}

/** Resolves when it was stopped. @throws LakeError `PORT_TAKEN`, or `TOOL_MISSING` if it ended by itself. */
export async function openLab(options: LabOptions): Promise<void> {
  const { environment, folder, first, hasBrowser, say, signal } = options
  const port = options.port ?? (await freePort())
  const token = randomBytes(24).toString('hex')
  writeSettings(environment.env['JUPYTER_CONFIG_DIR'] ?? '')
  const child = spawn(
    join(environment.bin, 'jupyter'),
    [
      'lab',
      '--ip=127.0.0.1',
      `--port=${port}`,
      '--ServerApp.port_retries=0',
      `--ServerApp.root_dir=${folder}`,
      '--Application.log_level=WARN',
      ...(hasBrowser ? [] : ['--no-browser']),
      ...(process.getuid?.() === 0 ? ['--allow-root'] : []),
    ],
    // The token goes by the environment: arguments are seen by every user of the machine. A process group of its own:
    // Ctrl-C reaches it through us alone.
    {
      env: { ...environment.env, JUPYTER_TOKEN: token },
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
    },
  )
  const stop = (): void => void child.kill('SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
  const isUp = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/api/status?token=${token}`).then(
      ({ ok }) => ok,
      () => false,
    )
  while (child.exitCode === null && child.signalCode === null && !signal.aborted) {
    if (await isUp()) {
      const page = first === undefined ? 'lab' : `lab/tree/${encodeURI(first)}`
      say(`JupyterLab: http://127.0.0.1:${port}/${page}?token=${token}\nCtrl-C ends it.`)
      break
    }
    await new Promise((wake) => setTimeout(wake, 200))
  }
  const code = await ended
  if (signal.aborted) return
  throw new LakeError(
    'TOOL_MISSING',
    `JupyterLab ended by itself (exit ${code ?? 'by a signal'}); is port ${port} taken?`,
  )
}

/**
 * Makes a folder of notebooks ready: cells in it, and in folders below it, find their packages, and the lessons are in
 * its file list. What is there already under these names stays.
 */
export function linkInto(
  folder: string,
  { packages, lessons }: { readonly packages: string; readonly lessons: string },
): void {
  mkdirSync(folder, { recursive: true })
  link(join(folder, 'node_modules'), packages)
  link(join(folder, 'lessons'), lessons)
}

function link(path: string, target: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found !== undefined) {
    if (!found.isSymbolicLink() || readlinkSync(path) === target) return
    // A checkout that has moved leaves a link that leads nowhere.
    if (existsSync(path)) return
    rmSync(path)
  }
  symlinkSync(target, path)
}
