/** Starts writer processes, kills them, and says what they were promised. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { build } from 'vite'
import type { WriterTask } from './writer-task.fixture.ts'

const root = resolve(import.meta.dirname, '../../../../..')

export interface WriterRun {
  readonly hasKilledItself: boolean
  /** How it ended: a signal, or a code. */
  readonly end: string
  readonly errors: string
}

export class Writers implements AsyncDisposable {
  readonly folder: string
  /** What was acknowledged: the highest version of each `NAME/KIND`. */
  readonly acknowledged = new Map<string, number>()
  readonly reached = new Set<string>()
  kills = 0
  readonly #children = new Set<ChildProcess>()

  private constructor(folder: string) {
    this.folder = folder
  }

  /** The writer as one file of JavaScript: a process starts several times as fast. */
  static async open(): Promise<Writers> {
    const folder = await mkdtemp(join(tmpdir(), 'lakeshore-writers-'))
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    await build({
      root,
      configFile: false,
      logLevel: 'error',
      build: {
        ssr: join(import.meta.dirname, 'writer.fixture.ts'),
        outDir: folder,
        emptyOutDir: false,
        target: 'node20',
        rolldownOptions: { output: { entryFileNames: 'writer.mjs' } },
      },
    })
    return new Writers(folder)
  }

  /** @param killAfterMs From when it is ready; it ends by itself without it. */
  run(task: WriterTask, killAfterMs?: number): Promise<WriterRun> {
    const child = spawn(process.execPath, [join(this.folder, 'writer.mjs'), JSON.stringify(task)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#children.add(child)
    let hasKilledItself = false
    let errors = ''
    let rest = ''
    const heard = (line: string): void => {
      if (line === 'ready') {
        if (killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs)
        return
      }
      if (line.startsWith('!')) {
        hasKilledItself = true
        this.reached.add(line.slice(1))
        return
      }
      const at = line.lastIndexOf(' ')
      const key = `${task.name}/${line.slice(0, at)}`
      this.acknowledged.set(key, Math.max(this.acknowledged.get(key) ?? 0, Number(line.slice(at + 1))))
    }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      lines.forEach(heard)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text
    })
    return new Promise((done) => {
      child.once('close', (code, signal) => {
        this.#children.delete(child)
        if (signal === 'SIGKILL') this.kills += 1
        done({ hasKilledItself, end: String(signal ?? code), errors })
      })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }
}
