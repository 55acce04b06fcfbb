/**
 * A folder of one user below one that many share, and no trace of those whose process was killed.
 *
 * Containers may share the directory and see none of each other's processes: each folder says when its user lived.
 */
import { randomUUID } from 'node:crypto'
import { readdir, rm, stat, utimes } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Clock } from '../clock.ts'
import { systemCode } from '../errors.ts'
import { machineName } from '../machine.ts'
import { makeFolders, privateMode } from './folders.ts'

const ofThisProcess = new Set<string>()

/** How often a folder is given the time, and after how long without it its user is gone. */
const signOfLifeMs = 3_600_000
const silentForMs = 24 * signOfLifeMs

export class OwnFolder implements AsyncDisposable {
  readonly path: string
  readonly #directory: string
  readonly #clock: Clock
  #signsOfLife: NodeJS.Timeout | undefined

  /** @param directory Shared; everything in it that is named `user-…` is such a folder. */
  constructor(directory: string, clock: Clock) {
    const name = `user-${machineName()}-${process.pid}-${randomUUID()}`
    ofThisProcess.add(name)
    this.path = join(directory, name)
    this.#directory = directory
    this.#clock = clock
  }

  /**
   * Makes it, and removes those that were left behind.
   *
   * @throws the system's error where it cannot be made.
   */
  async make(): Promise<void> {
    await makeFolders(this.path, privateMode)
    await this.#giveSign()
    clearInterval(this.#signsOfLife)
    this.#signsOfLife = setInterval(() => void this.#giveSign(), signOfLifeMs).unref()
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name)
      if (!(await isLeftBehind(path, this.#clock.now()))) continue
      // What stays only takes space, and another may be removing it too.
      await rm(path, { recursive: true, force: true }).catch(() => undefined)
    }
  }

  /** Removes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#signsOfLife)
    await rm(this.path, { recursive: true, force: true })
    ofThisProcess.delete(basename(this.path))
  }

  async #giveSign(): Promise<void> {
    const now = this.#clock.now() / 1000
    await utimes(this.path, now, now).catch(() => undefined)
  }
}

/** The folder of a user that was killed: its number is free, or ours and not of our making, or it fell silent. */
async function isLeftBehind(path: string, nowMs: number): Promise<boolean> {
  const name = basename(path)
  if (!name.startsWith('user-') || ofThisProcess.has(name)) return false
  const { machine, pid } = /^user-(?<machine>[^-]*)-(?<pid>\d+)-/.exec(name)?.groups ?? {}
  if (machine !== machineName()) {
    const lastSign = await stat(path).catch(() => undefined)
    return lastSign !== undefined && nowMs - lastSign.mtimeMs > silentForMs
  }
  if (Number(pid) === process.pid) return true
  try {
    process.kill(Number(pid), 0)
    return false
  } catch (error) {
    return systemCode(error) === 'ESRCH'
  }
}
