/** Folders on disk. */
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from './errors.ts'

/**
 * Makes a folder and those above it. Node's own recursive mkdir never ends below /proc, where making a folder
 * fails as if its parent were missing.
 *
 * @throws the system's error for the first folder that cannot be made.
 */
export async function makeFolders(path: string): Promise<void> {
  try {
    await mkdir(path)
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return
    if (systemCode(error) !== 'ENOENT' || dirname(path) === path) throw error
    await makeFolders(dirname(path))
    await mkdir(path).catch((failure: unknown) => {
      if (systemCode(failure) !== 'EEXIST') throw failure
    })
  }
}
