import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  cellsTagged,
  formatNotebook,
  parseNotebook,
  readNotebook,
  withCodeCell,
  withoutOutputs,
  withSource,
  writeNotebook,
} from './ipynb.ts'
import { notebook, notebookText } from './notebook.fixture.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-ipynb-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('parseNotebook(content, path)', () => {
  it('tells cells apart, and numbers those with code', () => {
    const { cells, settings } = notebook(
      [
        { kind: 'markdown', source: '# Title' },
        { source: 'const a = 1\na', tags: ['parameters'] },
        { source: 'a', count: 7, outputs: [{}] },
      ],
      { title: 'A title', schedule: '0 6 * * *', gate: 'silver' },
    )

    expect(settings).toEqual({ title: 'A title', schedule: '0 6 * * *', gate: 'silver' })
    expect(cells).toEqual([
      { kind: 'markdown', source: '# Title', tags: [], outputs: 0 },
      { kind: 'code', number: 1, source: 'const a = 1\na', tags: ['parameters'], outputs: 0 },
      { kind: 'code', number: 2, source: 'a', tags: [], executionCount: 7, outputs: 1 },
    ])
  })

  it.each([
    ['{', /^x\.ipynb: not JSON/],
    ['[]', /^x\.ipynb: not a notebook: the file: /],
    ['{"nbformat": 3, "metadata": {}, "cells": []}', /^x\.ipynb: not a notebook: nbformat: expected 4/],
    [
      '{"nbformat": 4, "metadata": {"lakeshore": {"titel": "a"}}, "cells": []}',
      /^x\.ipynb: not a notebook: metadata\.lakeshore: .*titel/,
    ],
    [
      '{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code", "source": 7}]}',
      /^x\.ipynb: not a notebook: cells\[0\]\.source: expected a text, or its lines/,
    ],
  ])('refuses %s naming the file and what is wrong', (content, message) => {
    expect(() => parseNotebook(content, 'x.ipynb')).toThrow(message)
  })
})

describe('formatNotebook(notebook)', () => {
  it('gives back the bytes of a file that Jupyter wrote', async () => {
    const lesson = await readFile(join(import.meta.dirname, '../../../notebooks/01-first-look.ipynb'), 'utf8')
    const numbers = notebookText([]).replace(
      '"nbformat_minor"',
      '"a": 1.0,\n "b": 1e-07,\n "c": "—",\n "nbformat_minor"',
    )

    expect(formatNotebook(parseNotebook(lesson, 'x'))).toBe(lesson)
    expect(formatNotebook(parseNotebook(numbers, 'x'))).toBe(numbers)
  })

  it('changes nothing but the cell that is changed', () => {
    const before = notebook(['one', 'two\nlines', 'three'])

    const after = withSource(before, 1, 'other\nlines')

    expect(formatNotebook(after)).toBe(notebookText(['one', 'other\nlines', 'three']))
    expect(after.cells[1]?.source).toBe('other\nlines')
    expect(formatNotebook(withCodeCell(notebook(['one']), 1, { id: 'cell-1', source: 'two' }))).toBe(
      notebookText(['one', 'two']),
    )
  })
})

describe('withoutOutputs(notebook)', () => {
  it('leaves what a repository needs', () => {
    const run = notebook([
      { kind: 'markdown', source: '# Title' },
      { source: 'a', count: 3, outputs: [{ output_type: 'stream' }] },
    ])

    expect(formatNotebook(withoutOutputs(run))).toBe(
      notebookText([{ kind: 'markdown', source: '# Title' }, 'a']),
    )
  })
})

describe('cellsTagged(notebook, tag)', () => {
  it('finds the cells and their places', () => {
    const found = cellsTagged(notebook(['a', { source: 'b', tags: ['metric', 'x'] }]), 'metric')

    expect(found.map(({ at, cell }) => [at, cell.source])).toEqual([[1, 'b']])
  })
})

describe('readNotebook(path), writeNotebook(notebook)', () => {
  it('are one the inverse of the other', async () => {
    const path = join(folder, 'a.ipynb')
    const written = notebook(['1'], { path })

    await writeNotebook(written)

    expect(await readNotebook(path)).toEqual(written)
  })

  it('say that a file is not there', async () => {
    await expect(readNotebook(join(folder, 'none.ipynb'))).rejects.toMatchObject({
      code: 'FILE_MISSING',
      message: `${join(folder, 'none.ipynb')}: there is no such notebook`,
    })
  })
})
