/** Files whose reading ends: a path may also name a pipe that nobody writes to, or a device without an end. */
import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { LakeError } from '../base/errors.ts'
import type { IoOptions } from '../base/io.ts'

/** @throws the system's error, and LakeError `SOURCE_FAILED` for what is no regular file. */
export async function readRegularFile(path: string, { signal }: IoOptions = {}): Promise<Uint8Array> {
  // Opening a pipe would wait for its writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) throw noFile(path)
    return await file.readFile({ signal })
  } finally {
    await file.close()
  }
}

/** For an engine that opens the file itself, and says what is wrong where there is none. */
export async function requireRegularFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found !== undefined && !found.isFile()) throw noFile(path)
}

function noFile(path: string): LakeError {
  return new LakeError('SOURCE_FAILED', `Read ${path}: it is not a regular file`, {
    details: { path, fault: 'not-a-file' },
  })
}
