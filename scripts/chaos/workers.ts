/** The processes of the platform under chaos: one that ends is started again, until all are told to stop. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface WorkerOptions {
  readonly name: string
  readonly words: readonly string[]
}

export class Workers {
  /** Commits and inserts that another writer had overtaken. */
  fenced = 0
  /** What ended although nobody killed it. */
  readonly endedAlone: string[] = []
  readonly #main: string
  readonly #env: Readonly<Record<string, string>>
  readonly #running = new Map<string, ChildProcess>()
  readonly #killed = new Set<ChildProcess>()
  readonly #ends = new Set<Promise<void>>()
  #isStopping = false

  /** @param main the built `lake` command. */
  constructor(main: string, env: Readonly<Record<string, string>>) {
    this.#main = main
    this.#env = env
  }

  start({ name, words }: WorkerOptions): void {
    const child = spawn(process.execPath, [this.#main, ...words], {
      env: this.#env,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#running.set(name, child)
    const last: string[] = []
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.includes('superseded')) this.fenced += 1
      last.push(line)
      if (last.length > 5) last.shift()
    })
    const end = new Promise<void>((resolve) => {
      child.once('close', (code, signal) => {
        if (!this.#isStopping && !this.#killed.has(child))
          this.endedAlone.push(`${name} (${signal ?? `exit code ${code}`}): ${last.join(' | ')}`)
        if (!this.#isStopping) this.start({ name, words })
        this.#ends.delete(end)
        resolve()
      })
    })
    this.#ends.add(end)
  }

  get names(): readonly string[] {
    return [...this.#running.keys()]
  }

  pidOf(name: string): number | undefined {
    return this.#running.get(name)?.pid
  }

  /** Its end is expected from now on, and it is started again. */
  kill(name: string): void {
    const child = this.#running.get(name)
    if (child === undefined) return
    this.#killed.add(child)
    child.kill('SIGKILL')
  }

  /** Ends all in order, and starts none again. */
  async stopAll(): Promise<void> {
    this.#isStopping = true
    for (const child of this.#running.values()) {
      child.kill('SIGCONT')
      child.kill('SIGTERM')
    }
    const late = setTimeout(() => {
      for (const child of this.#running.values()) child.kill('SIGKILL')
    }, 20_000)
    await Promise.all(this.#ends)
    clearTimeout(late)
  }
}
