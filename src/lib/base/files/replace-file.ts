/** A file that appears whole or not at all: written beside its place, synced, renamed. */
import { randomUUID } from 'node:crypto'
import { open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { LakeError, messageOf, systemCode } from '../errors.ts'

export interface ReplaceOptions {
  /** What the file is, for the message. */
  readonly what?: string
  /** Rights of the file, from its first byte on; without it those of the file that is replaced. */
  readonly mode?: number
}

/**
 * A reader sees the old file or the new one, also if a process is killed. A link stays a link to the file that is replaced.
 * What is no regular file (`/dev/stdout`, a pipe) is written as it is.
 *
 * @param content The text or bytes, or what writes them to the draft whose path it is given.
 * @throws LakeError `FILE_UNWRITABLE` or `DISK_FULL`, and what `content` throws.
 */
export async function replaceFile(
  path: string,
  content: string | Uint8Array | ((draft: string) => Promise<void>),
  { what = 'write', mode }: ReplaceOptions = {},
): Promise<void> {
  const write = (to: string): Promise<void> =>
    typeof content === 'function' ? content(to) : writeFile(to, content)
  let draft: string | undefined
  try {
    const target = await realpath(path).catch(() => resolve(path))
    const before = await stat(target).catch(() => undefined)
    if (before !== undefined && !before.isFile() && !before.isDirectory()) return await write(target)
    draft = join(dirname(target), `.${basename(target)}.${randomUUID()}`)
    const rights = mode ?? (before?.isFile() ? before.mode & 0o7777 : undefined)
    // Made first, so that nobody else's file is written to and nobody else reads what they may not.
    await (await open(draft, 'wx', rights === undefined ? undefined : rights | 0o600)).close()
    await write(draft)
    const file = await open(draft, 'r+')
    try {
      // Again: the process may not give away all rights when it makes a file, and `write` may have replaced it.
      if (rights !== undefined) await file.chmod(rights)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, target)
  } catch (error) {
    if (draft !== undefined) await rm(draft, { force: true })
    if (systemCode(error) === undefined || error instanceof LakeError) throw error
    const code = systemCode(error) === 'ENOSPC' ? 'DISK_FULL' : 'FILE_UNWRITABLE'
    throw new LakeError(code, `${what} ${path}: ${messageOf(error)}`, { cause: error, details: { path } })
  }
}
