import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyOfLine, openLineSink, readLines, splitLines } from './lines.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lakeshore-lines-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

async function split(...chunks: readonly (string | Buffer)[]): Promise<string[]> {
  async function* source() {
    for (const chunk of chunks) yield Buffer.from(chunk)
  }
  const lines: string[] = []
  for await (const group of splitLines(source())) lines.push(...group.map((line) => line.toString('latin1')))
  return lines
}

describe('splitLines(chunks)', () => {
  it.each([
    ['a\nb\n', ['a', 'b']],
    ['a\nb', ['a', 'b']],
    ['a\r\nb\r', ['a\r', 'b\r']],
    ['\n\na\n\n', ['', '', 'a', '']],
    ['', []],
    ['\n', ['']],
  ])('ends a line with LF alone: %j', async (text, lines) => {
    expect(await split(text)).toEqual(lines)
  })

  it('gives the same lines wherever the chunks are cut', async () => {
    const bytes = Buffer.from('first\n\nthird \xff\r\nlast', 'latin1')
    for (let cut = 0; cut <= bytes.length; cut++)
      expect(await split(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual([
        'first',
        '',
        'third \xff\r',
        'last',
      ])
  })

  it('keeps a line of 1 MB whole over many chunks', async () => {
    const lines = await split(...Array.from({ length: 20 }, () => 'x'.repeat(50_000)), '\ny')

    expect(lines.map((line) => line.length)).toEqual([1_000_000, 1])
  })
})

describe('readLines(path, { signal })', () => {
  it('throws the abort reason', async () => {
    const path = join(directory, 'aborted')
    await writeFile(path, 'a\n'.repeat(1_000_000))
    const reason = new Error('interrupted')
    const stop = new AbortController()

    const reading = (async () => {
      for await (const _ of readLines(path, { signal: stop.signal })) stop.abort(reason)
    })()

    await expect(reading).rejects.toBe(reason)
  })
})

describe('keyOfLine(line)', () => {
  it.each([
    ['{"user_id":42}', '42'],
    ['{"user_id":"42"}', '42'],
    ['{"user_id":9007199254740993}', '9007199254740993'],
    ['{"user_id":-1,"x":[1]}', '-1'],
    ['{"user_id":null}', undefined],
    ['{"user_id":{"a":1}}', undefined],
    ['{"user":1}', undefined],
    ['[1]', undefined],
    ['{"user_id":42', undefined],
    ['', undefined],
    ['42', undefined],
  ])('%s has the key %s', (line, key) => {
    expect(keyOfLine(Buffer.from(line))?.toString()).toBe(key)
  })
})

describe('openLineSink(path)', () => {
  it('writes what readLines gives back', async () => {
    const path = join(directory, 'out.ndjson')
    const values = ['{"a":1}', '', 'é\r', '{']
    {
      await using sink = await openLineSink(path)
      await sink.append(values.slice(0, 2).map((value) => ({ key: null, value: Buffer.from(value) })))
      await sink.append(values.slice(2).map((value) => ({ key: null, value: Buffer.from(value) })))
    }

    const read: string[] = []
    for await (const lines of readLines(path)) read.push(...lines.map((line) => line.toString()))

    expect(read).toEqual(values)
    expect(await readFile(path, 'utf8')).toBe('{"a":1}\n\né\r\n{\n')
  })

  it('says which file cannot be written or read', async () => {
    const inFile = join(directory, 'file')
    await writeFile(inFile, '')

    await expect(openLineSink(join(inFile, 'out'))).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
      message: expect.stringContaining(inFile),
    })
    await expect(readLines(join(directory, 'missing')).next()).rejects.toMatchObject({
      code: 'FILE_MISSING',
      message: expect.stringContaining('missing'),
    })
  })
})
