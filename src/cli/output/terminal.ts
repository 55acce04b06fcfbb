/**
 * Stderr: messages and progress.
 *
 * On a TTY the progress is one line that is overwritten; elsewhere it is a plain line now and then.
 */
import { clearLine, cursorTo } from 'node:readline'
import type { Writable } from 'node:stream'
import { printable } from './printable.ts'

const everyMs = { tty: 100, pipe: 5_000 } as const

const isTty = (stream: Writable): boolean => 'isTTY' in stream && stream.isTTY === true

const columnsOf = (stream: Writable): number =>
  'columns' in stream && typeof stream.columns === 'number' && stream.columns > 0 ? stream.columns : 80

export class Terminal {
  readonly isTty: boolean
  readonly #stream: Writable
  #shownMs: number
  #hasProgress = false
  /** In a pipe nothing is said twice in a row. */
  #said = ''

  constructor(stream: Writable) {
    this.#stream = stream
    this.isTty = isTty(stream)
    this.#shownMs = this.isTty ? 0 : performance.now()
  }

  /** A message that stays. */
  line(text: string): void {
    this.#clear()
    if (!this.isTty && text === this.#said) return
    this.#said = text
    this.#stream.write(`${text}\n`)
  }

  /** Shown where it is due; the text is not even made where it is not. */
  progress(text: () => string): void {
    const nowMs = performance.now()
    if (nowMs - this.#shownMs < everyMs[this.isTty ? 'tty' : 'pipe']) return
    this.#shownMs = nowMs
    this.#clear()
    if (!this.isTty) {
      this.line(text())
      return
    }
    this.#stream.write(printable(text()).slice(0, columnsOf(this.#stream) - 1))
    this.#hasProgress = true
  }

  /** Takes the progress away, as before the result is written. */
  done(): void {
    this.#clear()
  }

  #clear(): void {
    if (!this.#hasProgress) return
    this.#hasProgress = false
    cursorTo(this.#stream, 0)
    clearLine(this.#stream, 0)
  }
}
