import { describe, expect, it } from 'vitest'
import { literalArgument } from './literal-argument.ts'
import { notebook } from './notebook.fixture.ts'

const argumentOf = (source: string) => {
  const read = notebook([source])
  const [cell] = read.cells
  if (cell === undefined) throw new Error('no cell')
  return literalArgument(read, cell, 'define')
}

describe('literalArgument(notebook, cell, callee)', () => {
  it('reads what is written out, and keeps its text', async () => {
    const text = "{ name: 'a', 'is': [1, -2, true, null], sql: `\nselect 1`, of: { b: 'c' as const } }"

    expect(await argumentOf(`import { define } from 'x'\nconst made = define(${text})\nmade`)).toEqual({
      text,
      value: { name: 'a', is: [1, -2, true, null], sql: '\nselect 1', of: { b: 'c' } },
    })
  })

  it.each([
    ['there is no call', 'const a = 1', 'cell 1: expected a call of define'],
    ['there are two', 'define({})\ndefine({ b: 1 })', 'cell 1, line 2: expected one call of define, got 2'],
    ['it is no object', 'define(metric)', 'line 1: expected define({ … })'],
    ['a value is a name', 'define({\n  name,\n})', 'line 2: expected name: value, got name'],
    ['a value is computed', 'define({ a: 1 + 1 })', 'expected a value that is written out, got 1 + 1'],
    [
      'a text has a part of another cell',
      'define({ sql: `select $' + '{a}` })',
      'expected a value that is written out',
    ],
    ['another object is spread', 'define({ ...other })', 'expected name: value, got ...other'],
  ])('says where it is wrong if %s', async (_, source, problem) => {
    await expect(argumentOf(source)).rejects.toMatchObject({
      code: 'SOURCE_FAILED',
      message: expect.stringContaining(problem),
    })
  })
})
