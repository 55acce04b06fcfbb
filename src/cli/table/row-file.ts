/**
 * Writes rows to a file that appears whole or not at all: a draft beside it is written, synced and renamed.
 *
 * The ending of its name says the format.
 */
import { randomUUID } from 'node:crypto'
import { open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { LakeError, messageOf, systemCode } from '../../lib/base/errors.ts'

export const fileFormats = ['parquet', 'csv', 'ndjson', 'json'] as const
export type FileFormat = (typeof fileFormats)[number]

/** @throws LakeError `USAGE` when the ending is none of those allowed. */
export function fileFormat(path: string, allowed: readonly FileFormat[]): FileFormat {
  const ending = extname(path).slice(1).toLowerCase()
  const found = allowed.find((format) => format === ending)
  if (found !== undefined) return found
  const expected = allowed.map((format) => `.${format}`).join(', ')
  throw new LakeError('USAGE', `--out ${path}: expected a name that ends in ${expected}`)
}

/**
 * `write` is given the path of a draft, which takes the place of `path` once it is whole. A link stays a link to the file
 * that is replaced, and a file keeps its mode. What is no regular file (`/dev/stdout`, a pipe) is written as it is.
 */
export async function replaceFile(path: string, write: (draft: string) => Promise<void>): Promise<void> {
  let draft: string | undefined
  try {
    const target = await realpath(path).catch(() => resolve(path))
    const before = await stat(target).catch(() => undefined)
    if (before !== undefined && !before.isFile() && !before.isDirectory()) return await write(target)
    draft = join(dirname(target), `.${basename(target)}.${randomUUID()}`)
    await (await open(draft, 'wx')).close()
    await write(draft)
    const file = await open(draft, 'r+')
    try {
      if (before !== undefined) await file.chmod(before.mode & 0o7777)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, target)
  } catch (error) {
    if (draft !== undefined) await rm(draft, { force: true })
    if (systemCode(error) === undefined || error instanceof LakeError) throw error
    const code = systemCode(error) === 'ENOSPC' ? 'DISK_FULL' : 'FILE_UNWRITABLE'
    throw new LakeError(code, `write ${path}: ${messageOf(error)}`, { cause: error, details: { path } })
  }
}

export async function writePieces(path: string, pieces: AsyncIterable<string | Uint8Array>): Promise<void> {
  const file = await open(path, 'w')
  try {
    for await (const piece of pieces) await file.writeFile(piece)
  } finally {
    await file.close()
  }
}
