/**
 * The segments that a process has open: the active one and those used last. No caller keeps a segment over an `await`,
 * because it may be closed meanwhile.
 */
import { systemCode } from '../../base/errors.ts'
import { damaged } from '../sqlite-failure.ts'
import { Segment } from './segment.sqlite.ts'
import type { SegmentFolder } from './segment-folder.ts'

const mostOpen = 4

export class OpenSegments {
  readonly #folder: SegmentFolder
  /** Least recently used first. */
  readonly #open = new Map<number, Segment>()

  constructor(folder: SegmentFolder) {
    this.#folder = folder
  }

  /** True while the segment can be read: it is in the folder, or was open before it was dropped. */
  canRead(number: number): boolean {
    return this.#open.has(number) || this.#folder.has(number)
  }

  /**
   * The segment, opened where it is not; `keep` names the one that stays open however many are.
   *
   * @throws SegmentGone when it has been dropped.
   */
  get(number: number, keep: number | undefined): Segment {
    const segment = this.#open.get(number) ?? this.#openNow(number)
    this.#open.delete(number)
    this.#open.set(number, segment)
    for (const [other] of this.#open) {
      if (this.#open.size <= mostOpen) break
      if (other !== number && other !== keep) this.close(other)
    }
    return segment
  }

  close(number: number): void {
    this.#open.get(number)?.close()
    this.#open.delete(number)
  }

  closeAll(): void {
    for (const number of [...this.#open.keys()]) this.close(number)
  }

  #openNow(number: number): Segment {
    try {
      return Segment.open(this.#folder.folderOf(number))
    } catch (error) {
      const file = this.#folder.fileOf(number)
      if (!this.#folder.has(number)) throw new SegmentGone(file)
      // It was whole when it got its name: what lacks the tables has been cut off since.
      const isDamaged = ['SQLITE_ERROR', 'SQLITE_CORRUPT', 'SQLITE_NOTADB'].includes(systemCode(error) ?? '')
      throw isDamaged ? damaged(this.#folder.path, file, error) : error
    }
  }
}

/** Retention of another process was faster: what the caller knew of the folder is out of date. Or the file was lost. */
export class SegmentGone extends Error {
  readonly file: string

  constructor(file: string) {
    super('there is no such file')
    this.file = file
  }
}
