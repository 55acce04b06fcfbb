/**
 * Keeps the temporary files of a test run in memory, where Linux has a tmpfs with room for them: a disk that has just
 * deleted many files is slow to create new ones, and the tests create and delete thousands.
 *
 * Each run has a folder of its own, named after its process. The folder is removed at the end of the run, or by the
 * next run if this one was killed. Where `TMPDIR` is set, it stays as it is.
 */
import { mkdirSync, readdirSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../src/lib/base/errors.ts'

const sharedMemory = '/dev/shm'
/** Several times what a run needs at its peak. */
const neededBytes = 4 * 2 ** 30
/** `TMPFS_MAGIC` of statfs(2). */
const tmpfs = 0x0102_1994
const ownName = /^lakeshore-tests-(?<pid>\d+)$/

/** Called by vitest before it starts the workers, which inherit the variable. @returns what vitest calls at the end. */
export default function setup(): (() => void) | undefined {
  if (process.env['TMPDIR'] !== undefined || !hasRoomInMemory(sharedMemory, neededBytes)) return undefined
  const folder = makeFolder(sharedMemory)
  process.env['TMPDIR'] = folder
  return () => {
    delete process.env['TMPDIR']
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** True for a tmpfs with this many bytes free, on a machine that has as much memory free. */
export function hasRoomInMemory(path: string, bytes: number): boolean {
  try {
    const { type, bavail, bsize } = statfsSync(path)
    return type === tmpfs && bavail * bsize >= bytes && process.availableMemory() >= 2 * bytes
  } catch {
    // There is no such folder on this machine.
    return false
  }
}

/** A new folder for this process. The folders of runs that no longer live are removed. */
export function makeFolder(parent: string): string {
  for (const name of readdirSync(parent)) {
    const pid = ownName.exec(name)?.groups?.['pid']
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(join(parent, name), { recursive: true, force: true })
  }
  const folder = join(parent, `lakeshore-tests-${process.pid}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // A process of another user lives too.
    return systemCode(error) === 'EPERM'
  }
}
