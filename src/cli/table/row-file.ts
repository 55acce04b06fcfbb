/** The file of `--out`. The extension of its name decides the format. */
import { open } from 'node:fs/promises'
import { extname } from 'node:path'
import { LakeError } from '../../lib/base/errors.ts'

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

/** Writes the pieces one after the other to the file at `path`, which it empties first. */
export async function writePieces(path: string, pieces: AsyncIterable<string | Uint8Array>): Promise<void> {
  const file = await open(path, 'w')
  try {
    for await (const piece of pieces) await file.writeFile(piece)
  } finally {
    await file.close()
  }
}
