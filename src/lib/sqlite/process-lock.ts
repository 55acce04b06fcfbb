/**
 * A lock that dies with its process, whatever killed it: an exclusive transaction held open on an empty
 * SQLite file, so that the operating system keeps it and no stale lock has to be judged.
 *
 * A file `<path>.holder` beside it says who holds the lock. It is a hint for a message, never the lock.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'libsql'
import { z } from 'zod'
import { LakeError, messageOf, systemCode } from '../base/errors.ts'
import { makeFolders } from '../base/folders.ts'

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

/** A database that is garbage-collected closes its file, and would let go of the lock. */
const held = new Set<Database.Database>()

/**
 * Takes the lock at `path`, making its folder where it is missing; never waits.
 *
 * @throws LakeError `FILE_UNWRITABLE` when the file cannot be made or opened.
 */
export async function acquireProcessLock(path: string): Promise<ProcessLockOutcome> {
  const hint = `${path}.holder`
  const database = await open(path)
  try {
    database.exec('begin exclusive')
  } catch (error) {
    database.close()
    if (systemCode(error)?.startsWith('SQLITE_BUSY')) {
      const holder = readHolder(hint)
      return holder === undefined ? { kind: 'held' } : { kind: 'held', holder }
    }
    throw unwritable(path, error)
  }
  held.add(database)
  try {
    const holder: ProcessLockHolder = { pid: process.pid, since: new Date().toISOString() }
    writeFileSync(hint, JSON.stringify(holder))
  } catch (error) {
    release(database)
    throw unwritable(hint, error)
  }
  return {
    kind: 'acquired',
    lock: {
      async [Symbol.asyncDispose]() {
        if (!held.has(database)) return
        // The folder may have been replaced, and the file may name its new holder.
        if (readHolder(hint)?.pid === process.pid) rmSync(hint, { force: true })
        release(database)
      },
    },
  }
}

async function open(path: string): Promise<Database.Database> {
  try {
    await makeFolders(dirname(path))
    return new Database(path)
  } catch (error) {
    throw unwritable(path, error)
  }
}

function release(database: Database.Database): void {
  held.delete(database)
  database.exec('rollback')
  database.close()
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
