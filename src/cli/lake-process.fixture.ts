/** The built `lake` command in processes of its own, which share a home. */
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { vi } from 'vitest'
import { buildLake } from './built.fixture.ts'

export type Child = ChildProcessByStdio<null, Readable, Readable>

export interface LakeProcesses extends AsyncDisposable {
  /** What Node runs. */
  readonly main: string
  readonly home: string
  readonly environment: Readonly<Record<string, string>>
  start(...argv: readonly string[]): Child
}

/** What still runs is killed with it, and the home is removed. */
export async function openLakeProcesses(): Promise<LakeProcesses> {
  const main = await buildLake()
  const home = await mkdtemp(join(tmpdir(), 'lakeshore-process-'))
  const environment = { PATH: '/usr/bin:/bin', LAKE_HOME: home, DUCKDB_THREADS: '1' }
  const running = new Set<Child>()
  return {
    main,
    home,
    environment,
    start: (...argv) => {
      const child = spawn(process.execPath, [main, ...argv], {
        env: environment,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      running.add(child)
      child.once('exit', () => running.delete(child))
      return child
    },
    [Symbol.asyncDispose]: async () => {
      for (const child of running) child.kill('SIGKILL')
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** Resolves when stderr has said something that matches. */
export async function says(child: Child, words: RegExp): Promise<void> {
  let said = ''
  for await (const piece of child.stderr.iterator({ destroyOnReturn: false })) {
    said += String(piece)
    if (words.test(said)) return
  }
  throw new Error(`Expected ${words} on stderr, got: ${said}`)
}

/** The engine waits for bytes that never come, within a call of the system: nothing interrupts it. */
export class EndlessFile implements AsyncDisposable {
  readonly #path: string
  #writer: FileHandle | undefined

  constructor(path: string) {
    execFileSync('mkfifo', [path])
    this.#path = path
  }

  get query(): string {
    return `select * from read_text('${this.#path}')`
  }

  /** Resolves once the engine has opened the file: a pipe without a reader takes no writer. */
  async isRead(): Promise<void> {
    const flags = constants.O_WRONLY | constants.O_NONBLOCK
    const opening = async (): Promise<FileHandle> => open(this.#path, flags)
    this.#writer = await vi.waitFor(opening, { timeout: 60_000, interval: 50 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer?.close()
  }
}
