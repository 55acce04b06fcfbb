/**
 * An exclusive lock that says who holds it.
 *
 * A file `<path>.holder` beside the lock names the holder. It is a hint for a message, never the lock.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { LakeError, messageOf } from '../base/errors.ts'
import { makeFolders } from '../base/files/folders.ts'
import { type ExclusiveLock, tryExclusiveLock } from './exclusive-lock.ts'

export interface ProcessLockHolder {
  readonly pid: number
  /** When it took the lock, ISO 8601. */
  readonly since: string
}

export type ProcessLockOutcome =
  | { readonly kind: 'acquired'; readonly lock: AsyncDisposable }
  /** `holder` is missing where the hint cannot be read. */
  | { readonly kind: 'held'; readonly holder?: ProcessLockHolder }

const holderSchema = z.object({ pid: z.number().int(), since: z.string() })

/** A connection that is garbage-collected closes its file, and would let go of the lock. */
const held = new Set<ExclusiveLock>()

/**
 * Takes the lock at `path`, making its folder where it is missing; never waits.
 *
 * @throws LakeError `FILE_UNWRITABLE` when the file cannot be made or opened.
 */
export async function acquireProcessLock(path: string): Promise<ProcessLockOutcome> {
  const hint = `${path}.holder`
  const taken = await take(path)
  if (taken === undefined) {
    const holder = readHolder(hint)
    return holder === undefined ? { kind: 'held' } : { kind: 'held', holder }
  }
  held.add(taken)
  try {
    const holder: ProcessLockHolder = { pid: process.pid, since: new Date().toISOString() }
    writeFileSync(hint, JSON.stringify(holder))
  } catch (error) {
    release(taken)
    throw unwritable(hint, error)
  }
  return {
    kind: 'acquired',
    lock: {
      async [Symbol.asyncDispose]() {
        if (!held.has(taken)) return
        // The folder may have been replaced, and the file may name its new holder.
        if (readHolder(hint)?.pid === process.pid) rmSync(hint, { force: true })
        release(taken)
      },
    },
  }
}

/** `undefined` while another process holds it. */
async function take(path: string): Promise<ExclusiveLock | undefined> {
  try {
    await makeFolders(dirname(path))
    return tryExclusiveLock(path)
  } catch (error) {
    throw unwritable(path, error)
  }
}

function release(lock: ExclusiveLock): void {
  held.delete(lock)
  lock.release()
}

function readHolder(hint: string): ProcessLockHolder | undefined {
  try {
    return holderSchema.parse(JSON.parse(readFileSync(hint, 'utf8')))
  } catch {
    // Only a hint: the holder may be about to write it.
    return undefined
  }
}

function unwritable(path: string, cause: unknown): LakeError {
  return new LakeError('FILE_UNWRITABLE', `Lock file ${path}: ${messageOf(cause)}`, {
    details: { path },
    cause,
  })
}
