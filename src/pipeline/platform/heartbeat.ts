/**
 * A file below LAKE_HOME whose time says when a stage last got on: `heartbeat/<stage>.<host name>`.
 *
 * A health check outside of the process sees by its age a stage that hangs, is stopped, or fails again and again.
 */
import { rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { makeFolders, privateMode } from '../../lib/base/files/folders.ts'
import type { Platform } from './compose.ts'

export type BeatingStage = 'producer' | 'landing' | 'realtime' | 'scheduler'

const leastMs = 5_000
/** During work that tells nothing of its progress. */
const workingMs = 30_000

export class Heartbeat implements AsyncDisposable {
  readonly #path: string
  readonly #platform: Platform
  #beatMs = Number.NEGATIVE_INFINITY
  #writing: Promise<void> = Promise.resolve()

  constructor(path: string, platform: Platform) {
    this.#path = path
    this.#platform = platform
  }

  /** The stage got on. */
  readonly beat = (): void => {
    const nowMs = performance.now()
    if (nowMs - this.#beatMs < leastMs) return
    this.#beatMs = nowMs
    this.#writing = writeFile(this.#path, '').catch((error: unknown) => {
      // The stage itself meets the same disk, and says so.
      this.#platform.logger.debug({ err: error, path: this.#path }, 'The heartbeat could not be written')
    })
  }

  /** Beats until the work ends, as long as the event loop turns: that the process runs is all that is told. */
  readonly beatDuring = async <T>(work: () => Promise<T>): Promise<T> => {
    this.beat()
    const timer = setInterval(this.beat, workingMs)
    timer.unref()
    try {
      return await work()
    } finally {
      clearInterval(timer)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing
    await rm(this.#path, { force: true })
  }
}

/** Runs the stage with its heartbeat; the file goes when it ends. @throws LakeError `FILE_UNWRITABLE` for LAKE_HOME. */
export async function withHeartbeat<T>(
  platform: Platform,
  stage: BeatingStage,
  work: (heartbeat: Heartbeat) => Promise<T>,
): Promise<T> {
  const folder = join(await platform.home(), 'heartbeat')
  await makeFolders(folder, privateMode)
  await using heartbeat = new Heartbeat(join(folder, `${stage}.${hostname()}`), platform)
  return await work(heartbeat)
}
