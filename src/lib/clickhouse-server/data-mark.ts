/**
 * A mark in the data of the embedded server. A run keeps the mark; if the data have another one later, or none, they were
 * deleted or brought back from a copy.
 */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../base/errors.ts'
import { replaceFile } from '../base/files/replace-file.ts'
import { dataFolder } from './endpoint.ts'

const markFile = (home: string): string => join(dataFolder(home), 'lakeshore.mark')

/** @returns a new mark, in place of the one before. @throws LakeError `FILE_UNWRITABLE`, `DISK_FULL` */
export async function writeDataMark(home: string): Promise<string> {
  const mark = randomUUID()
  await replaceFile(markFile(home), `${mark}\n`, { what: 'mark the data of ClickHouse' })
  return mark
}

export async function readDataMark(home: string): Promise<string | undefined> {
  try {
    return (await readFile(markFile(home), 'utf8')).trim()
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}
