import { describe, expect, it } from 'vitest'
import { formatRows, type RowChunk, type RowFormat } from './rows.ts'

async function* chunksOf(...chunks: RowChunk[]): AsyncIterable<RowChunk> {
  yield* chunks
}

async function textOf(format: RowFormat, ...chunks: RowChunk[]): Promise<string> {
  let text = ''
  for await (const piece of formatRows(chunksOf(...chunks), format)) text += piece
  return text
}

const doubled = { columns: ['__proto__', '2024', 'a', 'a', 'a:1'], rows: [[1, 2, 3, 4, 5]] }

describe('formatRows(chunks, format)', () => {
  it.each<[RowFormat, string]>([
    ['ndjson', '{"__proto__":1,"2024":2,"a":3,"a:2":4,"a:1":5}\n'],
    ['json', '[{"__proto__":1,"2024":2,"a":3,"a:2":4,"a:1":5}]\n'],
    ['csv', '__proto__,2024,a,a:2,a:1\n1,2,3,4,5\n'],
  ])('keeps every column and its place in %s', async (format, text) => {
    expect(await textOf(format, doubled)).toBe(text)
  })

  it('keeps a null and an empty text apart in CSV', async () => {
    expect(await textOf('csv', { columns: ['a', 'b'], rows: [[null, '']] })).toBe('a,b\n,""\n')
  })

  it('gives an answer without rows its columns, or an empty list', async () => {
    const none = { columns: ['a'], rows: [] }

    expect(await textOf('csv', none)).toBe('a\n')
    expect(await textOf('json', none)).toBe('[]\n')
    expect(await textOf('ndjson', none)).toBe('')
  })

  it('writes large values in pieces, and not a chunk at once', async () => {
    const value = 'x'.repeat(300_000)
    const pieces: number[] = []
    for await (const piece of formatRows(
      chunksOf({ columns: ['a'], rows: Array.from({ length: 20 }, () => [value]) }),
      'ndjson',
    ))
      pieces.push(piece.length)

    expect(pieces).toHaveLength(20)
  })
})
