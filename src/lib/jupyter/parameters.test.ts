import { describe, expect, it } from 'vitest'
import { notebook } from './notebook.fixture.ts'
import { parametersOf, parameterValues, withParameters } from './parameters.ts'

const tagged = (source: string) => notebook(['1', { source, tags: ['parameters'] }, '2'])

describe('parametersOf(notebook)', () => {
  it('reads names, types and defaults from the tagged cell', async () => {
    const found = await parametersOf(
      tagged(
        "// What to look at\nconst days = 7, from = '2026-01-30'\nlet share: number = -0.5\nconst isFull = false\nconst source: 'web' | 'mobile' = 'web'",
      ),
    )

    expect(found).toEqual([
      { name: 'days', type: 'number', default: 7 },
      { name: 'from', type: 'string', default: '2026-01-30' },
      { name: 'share', type: 'number', default: -0.5 },
      { name: 'isFull', type: 'boolean', default: false },
      { name: 'source', type: 'string', default: 'web', choices: ['web', 'mobile'] },
    ])
  })

  it('finds none in a notebook without such a cell', async () => {
    expect(await parametersOf(notebook(['const days = 7']))).toEqual([])
  })

  it.each([
    ['const days = 7\nconst until = new Date()', 'a.ipynb: cell 2, line 2: .*got until = new Date()'],
    ['const days: string = 7', 'cell 2, line 1: .*got days: string = 7'],
    ['days()', 'cell 2, line 1: .*got days()'],
    ['const { a } = { a: 1 }', 'cell 2, line 1'],
    ['const a = 1\nconst a = 2', 'the parameter a is declared twice'],
  ])('refuses %j naming cell and line', async (source, message) => {
    await expect(parametersOf(tagged(source))).rejects.toThrow(
      new RegExp(message.replaceAll(/[()]/g, '\\$&')),
    )
  })

  it('refuses a second cell with the tag', async () => {
    const two = notebook([
      { source: 'const a = 1', tags: ['parameters'] },
      { source: 'const b = 1', tags: ['parameters'] },
    ])

    await expect(parametersOf(two)).rejects.toThrow('a.ipynb: cell 2 is the second one tagged parameters')
  })
})

describe('parameterValues(parameters, given)', () => {
  const parameters = [
    { name: 'days', type: 'number', default: 7 },
    { name: 'isFull', type: 'boolean', default: false },
    { name: 'source', type: 'string', default: 'web', choices: ['web', 'mobile'] },
  ] as const

  it('takes what is given, and the defaults of the rest', () => {
    const given = new Map([
      ['days', '30'],
      ['source', 'mobile'],
    ])

    expect([...parameterValues(parameters, given).values()]).toEqual([30, false, 'mobile'])
  })

  it.each([
    ['days', 'x', 'parameter days: expected a number, got "x"; its default is 7'],
    ['days', '', 'parameter days: expected a number, got ""; its default is 7'],
    ['days', '0x10', 'parameter days: expected a number, got "0x10"; its default is 7'],
    ['isFull', 'yes', 'parameter isFull: expected true or false, got "yes"; its default is false'],
    ['source', 'tv', 'parameter source: expected web or mobile, got "tv"; its default is "web"'],
    ['day', '1', 'parameter day: the notebook has no such parameter'],
  ])('refuses %s=%s', (name, value, message) => {
    expect(() => parameterValues(parameters, new Map([[name, value]]))).toThrow(message)
  })
})

describe('withParameters(notebook, parameters, values)', () => {
  it('declares them again in a cell after the tagged one, in place of those of an earlier run', async () => {
    const before = tagged("const days = 7\nconst source: 'web' | 'mobile' = 'web'")
    const parameters = await parametersOf(before)

    const once = withParameters(before, parameters, parameterValues(parameters, new Map()))
    const again = withParameters(once, parameters, parameterValues(parameters, new Map([['days', '30']])))

    expect(again.cells.map(({ source }) => source)).toEqual([
      '1',
      before.cells[1]?.source,
      '// Parameters of this run\nconst days: number = 30\nconst source: "web" | "mobile" = "web"',
      '2',
    ])
    expect(again.cells[2]?.tags).toEqual(['injected-parameters'])
  })
})
