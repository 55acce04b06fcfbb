/** Whether the bytes of data files are still those that were written: every byte of them is read. */
import { stat } from 'node:fs/promises'
import { isLakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { AddFile } from '../log/actions.ts'
import { localPaths } from '../log/local-paths.ts'
import type { Version } from '../log/log-path.ts'
import { checksumIn, checksumOf } from '../snapshot/data-checksum.ts'
import type { DeltaTable, ReadOptions } from '../table.ts'

export interface BrokenFile {
  /** As the log names it. */
  readonly path: string
  readonly problem: 'missing' | 'size' | 'checksum'
}

export interface Verification {
  readonly version: Version
  readonly files: number
  /** Of another writer, or from before files had checksums: their size alone was compared. */
  readonly unsealed: number
  readonly sizeBytes: number
  readonly broken: readonly BrokenFile[]
}

export interface VerifyOptions extends ReadOptions {
  readonly onProgress?: (verified: number, of: number) => void
}

/** Files of a version that are gone, or hold other bytes than its commit says. @throws as `DeltaTable.snapshot` does. */
export async function verifyFiles(
  table: DeltaTable,
  { onProgress, ...options }: VerifyOptions = {},
): Promise<Verification> {
  const { version, files } = await table.snapshot(options)
  const broken: BrokenFile[] = []
  const counts = { files: 0, unsealed: 0, sizeBytes: 0 }
  for (const file of files) {
    const problem = await problemOf(table, file, options)
    if (problem !== undefined) broken.push({ path: file.path, problem })
    counts.files += 1
    counts.sizeBytes += file.size
    if (checksumIn(file) === undefined) counts.unsealed += 1
    onProgress?.(counts.files, files.length)
  }
  return { version, ...counts, broken }
}

async function problemOf(
  { store }: DeltaTable,
  file: AddFile,
  { signal }: IoOptions,
): Promise<BrokenFile['problem'] | undefined> {
  try {
    const [path = ''] = await localPaths(store, [file], { signal })
    const { size } = await stat(path)
    if (size !== file.size) return 'size'
    const expected = checksumIn(file)
    if (expected === undefined) return undefined
    return (await checksumOf(path, { signal })) === expected ? undefined : 'checksum'
  } catch (error) {
    signal?.throwIfAborted()
    if (isLakeError(error, 'OBJECT_MISSING') || isMissing(error)) return 'missing'
    throw error
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'
