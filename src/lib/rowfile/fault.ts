/** What is wrong with a file of rows, and where. */
import { LakeError } from '../base/errors.ts'

export interface Place {
  /** From 1 up. */
  readonly line: number
  /** The character in the line, from 1 up. */
  readonly column?: number
}

/** Raised where the name of the file is not known; `LakeError`s say it in front. */
export class FileFault extends Error {
  readonly place: Place | undefined

  constructor(message: string, place?: Place) {
    super(message)
    this.place = place
  }
}

/** @param file names it in errors. */
export function fileFault(file: string, { message, place }: FileFault): LakeError {
  const where =
    place === undefined
      ? ''
      : `, line ${place.line}${place.column === undefined ? '' : `, column ${place.column}`}`
  return new LakeError('SOURCE_FAILED', `${file}${where}: ${message}`, {
    details: { path: file, ...place, fault: 'row-file-wrong' },
  })
}

/** A piece of a file in a message: short, in quotes, on one line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
