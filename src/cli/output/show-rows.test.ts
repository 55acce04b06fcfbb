import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { CommandLine } from '../command-line.ts'
import type { RowFormat } from './rows.ts'
import { countsText, type RowSource, showRows } from './show-rows.ts'

class Screen extends Writable {
  readonly isTTY = true
  readonly columns = 60
  text = ''

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

async function shown(format: RowFormat, limit?: number) {
  const stdout = new Screen()
  const cli = new CommandLine({ stdout, stderr: new Screen(), signal: new AbortController().signal })
  const limits: (number | undefined)[] = []
  const source: RowSource = async function* (most) {
    limits.push(most)
    for (let from = 0; from < 250; from += 50)
      yield { columns: ['n'], rows: Array.from({ length: 50 }, (_, index) => [from + index]) }
    yield { columns: ['n'], rows: [], more: 10_000 }
  }
  const counts = await showRows(source, { format, ...(limit !== undefined && { limit }) }, cli)
  return { counts, limits, lines: stdout.text.trimEnd().split('\n').length }
}

describe('showRows(source, options, cli) on a terminal', () => {
  it('draws the first hundred, and counts all', async () => {
    const { counts, limits, lines } = await shown('table')

    expect({ counts, limits, lines }).toEqual({
      counts: { rows: 100, total: 10_250 },
      limits: [100],
      lines: 104,
    })
    expect(countsText(counts)).toBe('100 of 10,250 rows')
  })

  it('draws as many as were asked for, and reads no further', async () => {
    expect(await shown('table', 120)).toEqual({
      counts: { rows: 120, total: 120 },
      limits: [120],
      lines: 124,
    })
  })

  it('streams all rows of the other formats', async () => {
    expect(await shown('csv')).toMatchObject({ counts: { rows: 250 }, limits: [undefined], lines: 251 })
  })
})
