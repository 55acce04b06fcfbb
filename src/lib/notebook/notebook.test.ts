import { describe, expect, it } from 'vitest'
import { area, bar, heatMap, histogram, line } from './figure.ts'
import { columnsOf, frameRows, toFrame } from './frame.ts'
import { htmlTable } from './html-table.ts'
import { namedRows } from './named-rows.ts'
import { figureOutput, plotlyMimeType } from './output.ts'

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
    expect(html).toContain('<th>&lt;a&gt;</th>')
    expect(html).toContain('1 &lt; 2')
  })

  it('shows a page, and counts the rows of the others and those that it does not hold', () => {
    const html = htmlTable([{ a: 1 }, { a: 2 }, { a: 3 }, { a: 4 }], { maxRows: 3, pageRows: 2 })

    expect(html.match(/<tr/g)).toHaveLength(4)
    expect(html.match(/<tr style="display:none">/g)).toHaveLength(1)
    expect(html).toContain('>1 more row<')
    expect(html).toContain('1 more row, of which nothing is shown here')
  })

  it('keeps an id and a time in one piece', () => {
    expect(htmlTable([{ id: '0199c6b2-0000-7000-8000-000000000000' }])).toMatch(/<td>0199/)
    expect(htmlTable([{ text: 'word '.repeat(20) }])).toContain('<td class="w">')
  })

  it('shows every column of an answer in its order, whatever its name', () => {
    const names = ['country', '2024', '__proto__', 'constructor', 'a', 'a', '2023']
    const html = htmlTable(namedRows(names, [['ch', 1, 'p', 'c', 2, 3, 4]]))

    const cells = (tag: string): readonly unknown[] =>
      [...html.matchAll(new RegExp(`<${tag}(?: [^>]*)?>([^<]*)<`, 'g'))].map(([, text]) => text)
    expect(cells('th')).toEqual(['country', '2024', '__proto__', 'constructor', 'a', 'a:1', '2023'])
    expect(cells('td')).toEqual(['ch', '1', 'p', 'c', '2', '3', '4'])
  })

  it('leaves a cell empty where a row lacks a column that objects inherit', () => {
    const html = htmlTable([{ constructor: 'c', ['__proto__']: 'p' }, { a: 1 }])

    const cells = [...html.matchAll(/<td[^>]*>([^<]*)<\/td>/g)].map(([, text]) => text)
    expect(cells).toEqual(['c', 'p', '', '', '', '1'])
  })

  it('says that there are none', () => {
    expect(htmlTable([])).toContain('no rows')
  })
})

describe('line, area and bar', () => {
  const rows = [
    { day: 'a', source: 'web', n: 1n },
    { day: 'a', source: 'mobile', n: 2 },
    { day: 'b', source: 'web', n: 3 },
  ]

  it('draw a series for each value of a column', () => {
    const { data, layout } = bar(rows, { x: 'day', y: 'n', color: 'source', title: 'Events' })

    expect(data).toEqual([
      { type: 'bar', name: 'web', x: ['a', 'b'], y: [1, 3] },
      { type: 'bar', name: 'mobile', x: ['a'], y: [2] },
    ])
    expect(layout).toMatchObject({ title: { text: 'Events' }, barmode: 'stack', showlegend: true })
  })

  it('stack areas', () => {
    expect(area(rows, { x: 'day', y: 'n', color: 'source' }).data).toMatchObject([
      { name: 'web', stackgroup: 'one' },
      { name: 'mobile', stackgroup: 'one' },
    ])
  })

  it('draw whole numbers that only a bigint holds, rounded: plotly takes no bigint', () => {
    const { data } = line([{ id: 2n ** 53n + 1n, n: -(2n ** 60n) }], { x: 'id', y: 'n' })

    expect(data).toMatchObject([{ x: [2 ** 53], y: [-(2 ** 60)] }])
  })

  it('take rows by the hundred thousand', () => {
    const many = Array.from({ length: 100_000 }, (_, at) => ({ at, n: at % 7 }))

    expect(line(many, { x: 'at', y: 'n' }).data[0]?.['y']).toHaveLength(100_000)
  })

  it('name the column that is not there', () => {
    const untyped: readonly Record<string, unknown>[] = rows

    expect(() => line(untyped, { x: 'day', y: 'nn' })).toThrow('column nn')
  })
})

describe('histogram', () => {
  it('counts the rows of ranges of equal width, the greatest value in the last', () => {
    const { data } = histogram(
      [0, 1, 2, 9, 10, null].map((n) => ({ n })),
      { x: 'n', bins: 2 },
    )

    expect(data).toEqual([{ type: 'bar', name: 'n', x: ['0 – 5', '5 – 10'], y: [3, 2] }])
  })

  it('has one bar for one value, and none for no number', () => {
    expect(histogram([{ n: 4 }, { n: 4 }], { x: 'n' }).data).toMatchObject([{ y: [2] }])
    expect(histogram([{ n: null }], { x: 'n' }).data).toEqual([])
  })

  it('refuses half a bar', () => {
    expect(() => histogram([{ n: 1 }], { x: 'n', bins: 0.5 })).toThrow('bins must be a whole number')
  })
})

describe('heatMap', () => {
  it('has a cell for each pair of values, and nothing where there is no row', () => {
    const rows = [
      { day: 'a', source: 'web', n: 1 },
      { day: 'b', source: 'mobile', n: 2 },
    ]

    expect(heatMap(rows, { x: 'day', y: 'source', value: 'n' }).data).toMatchObject([
      {
        type: 'heatmap',
        x: ['a', 'b'],
        y: ['web', 'mobile'],
        z: [
          [1, null],
          [null, 2],
        ],
      },
    ])
  })
})

describe('figureOutput(figure)', () => {
  it('is a figure and its still picture as one output; plotly gets an object and not a text', () => {
    const figure = bar([{ x: 1, y: 2 }], { x: 'x', y: 'y' })

    expect(figureOutput(figure)).toEqual({
      [plotlyMimeType]: figure,
      'image/svg+xml': expect.stringMatching(/^<svg .*<\/svg>$/),
    })
  })

  it('is the figure alone where no still picture can be drawn', () => {
    expect(figureOutput({ data: [], layout: {} })).toEqual({ [plotlyMimeType]: { data: [], layout: {} } })
  })
})

describe('frameRows(frame)', () => {
  it('gives the rows of a frame by the names of its columns', () => {
    expect(frameRows({ columns: ['a', 'b'], values: [[1, 'x']] })).toEqual([{ a: 1, b: 'x' }])
  })
})
