/** A file that appears whole or not at all: written beside its place, synced, renamed. */
import { randomUUID } from 'node:crypto'
import { open, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { LakeError, messageOf, systemCode } from '../errors.ts'

export interface ReplaceOptions {
  /** What the file is, for the message. */
  readonly what?: string
  /** Rights of the file, from its first byte on; those that the process gives without it. */
  readonly mode?: number
}

/**
 * A reader sees the old file or the new one, whoever is killed.
 *
 * @param content The text or bytes, or what writes them to the draft whose path it is given.
 * @throws LakeError `FILE_UNWRITABLE` or `DISK_FULL`, and what `content` throws.
 */
export async function replaceFile(
  path: string,
  content: string | Uint8Array | ((draft: string) => Promise<void>),
  { what = 'write', mode }: ReplaceOptions = {},
): Promise<void> {
  const target = resolve(path)
  const draft = join(dirname(target), `.${basename(target)}.${randomUUID()}`)
  try {
    // Made first, so that nobody else's file is written to and the rights hold from the beginning.
    await (await open(draft, 'wx', mode)).close()
    if (typeof content === 'function') await content(draft)
    else await writeFile(draft, content)
    const file = await open(draft, 'r+')
    await file.sync().finally(() => file.close())
    await rename(draft, target)
  } catch (error) {
    await rm(draft, { force: true })
    if (systemCode(error) === undefined || error instanceof LakeError) throw error
    const code = systemCode(error) === 'ENOSPC' ? 'DISK_FULL' : 'FILE_UNWRITABLE'
    throw new LakeError(code, `${what} ${path}: ${messageOf(error)}`, { cause: error })
  }
}
