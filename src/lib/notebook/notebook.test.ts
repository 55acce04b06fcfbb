import { describe, expect, it } from 'vitest'
import { figureOf } from './figure.ts'
import { columnsOf, toFrame } from './frame.ts'
import { htmlTable } from './html-table.ts'
import { namedRows } from './named-rows.ts'
import { createScreen, plotlyMimeType } from './screen.ts'

describe('columnsOf(rows)', () => {
  it('turns rows into columns, with null where a row lacks one', () => {
    expect(
      columnsOf([
        { a: 1, b: 'x' },
        { a: 2n, c: true },
      ]),
    ).toEqual({
      a: [1, 2],
      b: ['x', null],
      c: [null, true],
    })
  })

  it('keeps a whole number that a number would round as text, and its column with it', () => {
    expect(columnsOf([{ id: 9007199254740993n }, { id: 1n }])).toEqual({ id: ['9007199254740993', '1'] })
  })

  it('writes lists, objects and bytes as text', () => {
    const rows = [{ reasons: ['a', 'b'], raw: new Uint8Array([1, 2]), place: { offset: 1n } }]

    expect(columnsOf(rows)).toEqual({ reasons: ['["a","b"]'], raw: ['AQI='], place: ['{"offset":"1"}'] })
  })
})

describe('toFrame(Class, rows)', () => {
  class Frame {
    readonly columns: object
    constructor(columns: Record<string, readonly unknown[]>) {
      this.columns = columns
    }
  }

  it('makes the frame that it is given', () => {
    expect(toFrame(Frame, [{ a: 1 }]).columns).toEqual({ a: [1] })
  })

  it('refuses no rows', () => {
    expect(() => toFrame(Frame, [])).toThrow('at least one row')
  })
})

describe('htmlTable(rows, options)', () => {
  it('escapes what stands in a row, a column name and the caption', () => {
    const html = htmlTable([{ '<a>': '<script>"&' }], { caption: '1 < 2' })

    expect(html).toContain('&lt;script&gt;&quot;&amp;')
    expect(html).toContain('<th style="text-align:left">&lt;a&gt;</th>')
    expect(html).toContain('1 &lt; 2')
  })

  it('counts the rows that it does not show', () => {
    const html = htmlTable([{ a: 1 }, { a: 2 }, { a: 3 }], { maxRows: 2 })

    expect(html.match(/<tr>/g)).toHaveLength(3)
    expect(html).toContain('1 more row')
  })

  it('shows every column of an answer in its order, whatever its name', () => {
    const names = ['country', '2024', '__proto__', 'constructor', 'a', 'a', '2023']
    const html = htmlTable(namedRows(names, [['ch', 1, 'p', 'c', 2, 3, 4]]))

    const cells = (tag: string): readonly unknown[] =>
      [...html.matchAll(new RegExp(`<${tag} [^>]*>([^<]*)<`, 'g'))].map(([, text]) => text)
    expect(cells('th')).toEqual(['country', '2024', '__proto__', 'constructor', 'a', 'a:1', '2023'])
    expect(cells('td')).toEqual(['ch', '1', 'p', 'c', '2', '3', '4'])
  })

  it('leaves a cell empty where a row lacks a column that objects inherit', () => {
    const html = htmlTable([{ constructor: 'c', ['__proto__']: 'p' }, { a: 1 }])

    expect(html).toContain('<td style="text-align:left"></td><td style="text-align:left"></td>')
  })

  it('says that there are none', () => {
    expect(htmlTable([])).toContain('no rows')
  })
})

describe('figureOf(rows, options)', () => {
  const rows = [
    { day: 'a', source: 'web', n: 1n },
    { day: 'a', source: 'mobile', n: 2 },
    { day: 'b', source: 'web', n: 3 },
  ]

  it('draws a series for each value of a column', () => {
    const { data, layout } = figureOf(rows, { kind: 'bar', x: 'day', y: 'n', by: 'source', title: 'Events' })

    expect(data).toEqual([
      { type: 'bar', name: 'web', x: ['a', 'b'], y: [1, 3] },
      { type: 'bar', name: 'mobile', x: ['a'], y: [2] },
    ])
    expect(layout).toMatchObject({ title: { text: 'Events' }, barmode: 'stack', showlegend: true })
  })

  it('draws whole numbers that only a bigint holds, rounded: plotly takes no bigint', () => {
    const { data } = figureOf([{ id: 2n ** 53n + 1n, n: -(2n ** 60n) }], { kind: 'line', x: 'id', y: 'n' })

    expect(data).toMatchObject([{ x: [2 ** 53], y: [-(2 ** 60)] }])
  })

  it('takes rows by the hundred thousand', () => {
    const many = Array.from({ length: 100_000 }, (_, at) => ({ at, n: at % 7 }))

    expect(figureOf(many, { kind: 'line', x: 'at', y: 'n' }).data[0]?.['y']).toHaveLength(100_000)
  })

  it('names the column that is not there', () => {
    expect(() => figureOf(rows, { kind: 'line', x: 'day', y: 'nn' })).toThrow('column nn')
  })
})

describe('createScreen(display)', () => {
  it('shows a figure and its still picture as one output', () => {
    const bundles: unknown[] = []
    const display = { html: () => undefined, raw: () => expect.unreachable() }
    const figure = figureOf([{ x: 1, y: 2 }], { kind: 'bar', x: 'x', y: 'y' })

    createScreen(display, (data) => bundles.push(data) > 0).figure(figure)

    expect(bundles).toEqual([
      { [plotlyMimeType]: figure, 'image/svg+xml': expect.stringMatching(/^<svg .*<\/svg>$/) },
    ])
  })

  it('hands plotly an object and not a text', () => {
    const shown: unknown[] = []
    const screen = createScreen({
      html: (content) => void shown.push(content),
      raw: (mimeType, content) => shown.push([mimeType, content]),
    })

    screen.table([{ a: 1 }])
    screen.figure({ data: [], layout: {} })

    expect(shown[0]).toContain('<td style="text-align:right">1</td>')
    expect(shown[1]).toEqual([plotlyMimeType, { data: [], layout: {} }])
  })
})
