/**
 * Copies on this disk of objects that never change, shared by all processes that name the same directory.
 *
 * Invariant: a path that was handed out stays readable for `graceMs`, whoever evicts. Each user holds hard
 * links of its own to what it was given, so that eviction takes a name away and never the bytes in use:
 *
 *     objects/<id>   shared; the least recently used go first
 *     user-…/held    links of one user; beside it staging and incoming
 */
import { createHash, randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { link, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { systemCode } from '../base/errors.ts'
import { makeFolders } from '../base/files/folders.ts'
import { OwnFolder } from '../base/files/own-folder.ts'
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

export class LocalCopies implements AsyncDisposable {
  /** A folder of this user alone. */
  readonly staging: string
  readonly #objects: string
  readonly #own: OwnFolder
  readonly #held: string
  readonly #directory: string
  readonly #maxBytes: number
  readonly #graceMs: number
  readonly #clock: Clock
  /** Id → when it was last handed out. */
  readonly #heldSince = new Map<string, number>()
  #bytesSinceEviction = 0
  #ready: Promise<void> | undefined

  constructor({ directory, maxBytes, clock, graceMs = 6 * 3_600_000 }: LocalCopiesOptions) {
    this.#directory = directory
    this.#maxBytes = maxBytes
    this.#graceMs = graceMs
    this.#clock = clock
    this.#objects = join(directory, 'objects')
    this.#own = new OwnFolder(directory, clock)
    this.#held = join(this.#own.path, 'held')
    this.staging = join(this.#own.path, 'staging')
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
      const incoming = join(this.#own.path, 'incoming', randomUUID())
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
    this.#heldSince.clear()
    await this.#own[Symbol.asyncDispose]()
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
    await this.#own.make()
    for (const folder of [this.#objects, this.#held, this.staging, join(this.#own.path, 'incoming')]) {
      await makeFolders(folder)
    }
  }
}

function idOf(identity: string): string {
  return createHash('sha256').update(identity).digest('hex').slice(0, 40)
}
