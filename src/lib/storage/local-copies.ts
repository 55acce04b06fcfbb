/**
 * Copies on this disk of objects that never change, shared by all processes that name the same directory.
 *
 * Invariant: a path that was handed out stays readable for `graceMs`, whoever evicts. Each user holds hard
 * links of its own to what it was given, so that eviction takes a name away and never the bytes in use:
 *
 *     objects/<id>             shared; the least recently used go first
 *     user-<machine>-<pid>-<uuid>/held   links of one user; beside it staging and incoming
 *
 * Containers may share the directory and see none of each other's processes: each user's folder says when it lived.
 */
import { createHash, randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { link, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { systemCode } from '../base/errors.ts'
import { makeFolders } from '../base/folders.ts'
import { machineName } from '../base/machine.ts'
import { fileFailure } from './file-failure.ts'

export interface LocalCopiesOptions {
  /** Absolute; made when it is first needed. */
  readonly directory: string
  /**
   * Above this the least recently used copies go. What was handed out within the grace comes on top, and so does an
   * object that is larger: each user has a copy of its own of it.
   */
  readonly maxBytes: number
  readonly clock: Clock
  readonly graceMs?: number
}

const usersOfThisProcess = new Set<string>()

/** How often a user's folder is given the time, and after how long without it its user is gone. */
const signOfLifeMs = 3_600_000
const silentForMs = 24 * signOfLifeMs

export class LocalCopies implements AsyncDisposable {
  /** A folder of this user alone. */
  readonly staging: string
  readonly #objects: string
  readonly #user: string
  readonly #held: string
  readonly #directory: string
  readonly #maxBytes: number
  readonly #graceMs: number
  readonly #clock: Clock
  /** Id → when it was last handed out. */
  readonly #heldSince = new Map<string, number>()
  #bytesSinceEviction = 0
  #ready: Promise<void> | undefined
  #signsOfLife: NodeJS.Timeout | undefined

  constructor({ directory, maxBytes, clock, graceMs = 6 * 3_600_000 }: LocalCopiesOptions) {
    const user = `user-${machineName()}-${process.pid}-${randomUUID()}`
    usersOfThisProcess.add(user)
    this.#directory = directory
    this.#maxBytes = maxBytes
    this.#graceMs = graceMs
    this.#clock = clock
    this.#objects = join(directory, 'objects')
    this.#user = join(directory, user)
    this.#held = join(this.#user, 'held')
    this.staging = join(this.#user, 'staging')
  }

  /**
   * The path of a copy of the object with this identity, which must name one content for ever.
   *
   * @param download Writes the content to the path that it is given.
   */
  async file(identity: string, download: (path: string) => Promise<void>): Promise<string> {
    await this.#prepare()
    const id = idOf(identity)
    if (!this.#heldSince.has(id) && !(await this.#hold(id))) {
      const incoming = join(this.#user, 'incoming', randomUUID())
      try {
        await download(incoming)
        await this.#share(id, incoming)
      } finally {
        await rm(incoming, { force: true })
      }
    }
    this.#heldSince.set(id, this.#clock.now())
    return join(this.#held, id)
  }

  /** Takes a file that is written and uploaded as the copy of the object with this identity. */
  async adopt(identity: string, path: string): Promise<void> {
    await this.#prepare()
    const id = idOf(identity)
    await this.#share(id, path)
    this.#heldSince.set(id, this.#clock.now())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#signsOfLife)
    this.#heldSince.clear()
    await rm(this.#user, { recursive: true, force: true })
    usersOfThisProcess.delete(basename(this.#user))
  }

  async #hold(id: string): Promise<boolean> {
    const shared = join(this.#objects, id)
    try {
      await link(shared, join(this.#held, id))
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return true
      if (systemCode(error) === 'ENOENT') return false
      throw fileFailure('Link', shared, error)
    }
    const now = this.#clock.now() / 1000
    // Evicted in between: the link keeps the bytes, and only the order of eviction is lost.
    await utimes(join(this.#held, id), now, now).catch(() => undefined)
    return true
  }

  async #share(id: string, path: string): Promise<void> {
    const now = this.#clock.now() / 1000
    try {
      await utimes(path, now, now)
      await link(path, join(this.#held, id)).catch((error: unknown) => {
        if (systemCode(error) !== 'EEXIST') throw error
      })
      const { size } = await stat(path)
      // It would push all others out, and go itself: it is its user's alone.
      if (size > this.#maxBytes) await rm(path)
      else await rename(path, join(this.#objects, id))
      this.#bytesSinceEviction += size
    } catch (error) {
      throw fileFailure('Keep a copy at', join(this.#objects, id), error)
    }
    if (this.#bytesSinceEviction > this.#maxBytes / 16) await this.#evict()
  }

  async #evict(): Promise<void> {
    this.#bytesSinceEviction = 0
    const oldest = this.#clock.now() - this.#graceMs
    for (const [id, sinceMs] of this.#heldSince) {
      if (sinceMs >= oldest) continue
      this.#heldSince.delete(id)
      // Synchronous: nobody may be handed this path between the two lines.
      rmSync(join(this.#held, id), { force: true })
    }
    const copies = []
    for (const id of await readdir(this.#objects)) {
      const meta = await stat(join(this.#objects, id)).catch(() => undefined)
      if (meta !== undefined) copies.push({ id, sizeBytes: meta.size, usedMs: meta.mtimeMs })
    }
    let excess = copies.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) - this.#maxBytes
    for (const { id, sizeBytes } of copies.sort((a, b) => a.usedMs - b.usedMs)) {
      if (excess <= 0) break
      await rm(join(this.#objects, id), { force: true })
      excess -= sizeBytes
    }
  }

  #prepare(): Promise<void> {
    this.#ready ??= this.#makeFolders().catch((error: unknown) => {
      this.#ready = undefined
      throw fileFailure('Make', this.#directory, error)
    })
    return this.#ready
  }

  async #makeFolders(): Promise<void> {
    for (const folder of [this.#objects, this.#held, this.staging, join(this.#user, 'incoming')]) {
      await makeFolders(folder)
    }
    const giveSign = async (): Promise<void> => {
      const now = this.#clock.now() / 1000
      await utimes(this.#user, now, now).catch(() => undefined)
    }
    await giveSign()
    clearInterval(this.#signsOfLife)
    this.#signsOfLife = setInterval(() => void giveSign(), signOfLifeMs).unref()
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name)
      if (await isLeftBehind(path, this.#clock.now())) await rm(path, { recursive: true, force: true })
    }
  }
}

/** The folder of a user that was killed: its number is free, or ours and not of our making, or it fell silent. */
async function isLeftBehind(path: string, nowMs: number): Promise<boolean> {
  const name = basename(path)
  if (!name.startsWith('user-') || usersOfThisProcess.has(name)) return false
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

function idOf(identity: string): string {
  return createHash('sha256').update(identity).digest('hex').slice(0, 40)
}
