/** Folders on disk. */
import { mkdir, readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from '../errors.ts'

/** The mode of a folder that its user alone may enter. */
export const privateMode = 0o700

/**
 * Makes a folder and those above it, all with `mode`. One that is there keeps its mode. Node's own recursive mkdir never ends below /proc, where making a folder
 * fails as if its parent were missing.
 *
 * @throws the system's error for the first folder that cannot be made.
 */
export async function makeFolders(path: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(path, mode)
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return
    if (systemCode(error) !== 'ENOENT' || dirname(path) === path) throw error
    await makeFolders(dirname(path), mode)
    await mkdir(path, mode).catch((failure: unknown) => {
      if (systemCode(failure) !== 'EEXIST') throw failure
    })
  }
}

/** The names of what is in a folder; none if there is no such folder. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}
