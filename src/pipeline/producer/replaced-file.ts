/** A file that is written anew as a whole: a reader sees the old text or the new one, whoever is killed. */
import { randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { LakeError, messageOf, systemCode } from '../../lib/base/errors.ts'

/**
 * @param what what the file is, for the message.
 * @throws LakeError `FILE_UNWRITABLE`, `DISK_FULL`.
 */
export async function replaceFile(path: string, text: string, what: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`
  try {
    const file = await open(draft, 'wx')
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    const code = systemCode(error) === 'ENOSPC' ? 'DISK_FULL' : 'FILE_UNWRITABLE'
    throw new LakeError(code, `${what} ${path}: ${messageOf(error)}`, { cause: error })
  }
}
