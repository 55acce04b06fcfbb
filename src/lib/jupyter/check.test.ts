import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CellProblem, checkNotebooks } from './check.ts'
import { type CellFixture, notebook } from './notebook.fixture.ts'

const table =
  'export const rows: { day: string; users: number | null }[] = []\nexport interface Row { id: string }'

/** Each is checked beside all others, by one compiler. */
const cases: Readonly<Record<string, readonly (string | CellFixture)[]>> = {
  right: [
    { kind: 'markdown', source: 'const a: string = 1' },
    "import { rows } from 'table'\nconst [first] = await Promise.resolve(rows)",
    'first.day.length // no end of line',
    'for (const { users } of rows) console.log(users?.toFixed())',
  ],
  column: ["import { rows } from 'table'", '// The second cell\nrows.map((row) => row.usres)'],
  nullable: ["import { rows } from 'table'\nrows.map((row) => row.users.toFixed())"],
  redeclared: [
    'const a = 1\nfunction f() { return a }\nvar v = 1',
    "const a = 'text'\nfunction f() { return a }\nvar v = ''",
    'a.length + f().length',
  ],
  'imported again': [
    "import { rows } from 'table'",
    "import { rows, type Row } from 'table'\nconst row: Row = { id: 'a' }",
    "import { type Row } from 'table'\nimport * as all from 'table'\nall.rows.concat(rows)\nrow.id",
  ],
  later: [
    'later + other({ rows })',
    "import { rows } from 'table'\nconst later = 1",
    'function other(x: object) { return 1 }',
  ],
  deleted: ['gone.length'],
  syntax: ['const a = 1', 'const b = {\n  c: 1,,\n}', 'nobody.knows'],
  untyped: ["import frames from 'frames'\nframes.anything()"],
  'no module': ["import { x } from './nowhere.ts'"],
  newer: ['[1].toSorted()'],
  'out of order': [
    { source: '1', count: 3, outputs: [{}, {}] },
    { source: '2', count: 1 },
  ],
}

let folder = ''
const found = new Map<string, readonly CellProblem[]>()
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-check-'))
  await writeFile(join(folder, 'table.ts'), table)
  const names = Object.keys(cases)
  const notebooks = names.map((name) => notebook(cases[name] ?? [], { path: join(folder, `${name}.ipynb`) }))
  const judged = await checkNotebooks(notebooks, {
    projectFolder: resolve(import.meta.dirname, '..', '..', '..'),
    modules: { table: join(folder, 'table.ts') },
    packages: { folder: join(folder, 'node_modules'), names: ['frames'] },
    unseen: [],
  })
  for (const [at, name] of names.entries()) found.set(name, judged[at] ?? [])
}, 60_000)
afterAll(() => rm(folder, { recursive: true }))

const told = (name: string): readonly string[] =>
  (found.get(name) ?? []).map(({ cell, line, column, message }) => `${cell}:${line}:${column} ${message}`)

describe('checkNotebooks(notebooks, settings)', () => {
  it.each(['right', 'redeclared', 'imported again', 'untyped'])('finds nothing wrong: %s', (name) => {
    expect(found.has(name)).toBe(true)
    expect(told(name)).toEqual([])
  })

  it.each([
    ['column', /^2:2:23 Property 'usres' does not exist on type .* Did you mean 'users'\?$/],
    ['nullable', /^1:2:19 .*possibly 'null'/],
    ['deleted', /^1:1:1 Cannot find name 'gone'\.$/],
    ['no module', /^1:1:19 Cannot find module '\.\/nowhere\.ts'/],
    ['newer', /^1:1:5 Property 'toSorted' does not exist/],
  ])('names cell, line and column: %s', (name, message) => {
    expect(told(name)).toEqual([expect.stringMatching(message)])
  })

  it('tells of a name that only a later cell declares or imports', () => {
    expect(told('later')).toEqual([
      "1:1:1 'later' is declared in cell 2, which comes later.",
      "1:1:9 'other' is declared in cell 3, which comes later.",
      "1:1:17 'rows' is declared in cell 2, which comes later.",
    ])
  })

  it('tells of a cell that is no TypeScript alone, and of nothing that follows from it', () => {
    expect(told('syntax')).toEqual(['2:2:8 Property assignment expected.'])
  })

  it('tells of cells that ran out of order, and of what a run has left', () => {
    expect(told('out of order')).toEqual([
      '1:1:1 It holds 2 outputs.',
      '2:1:1 It ran as [1], before a cell above it, which ran as [3].',
      '2:1:1 It holds the count of its run, [1].',
    ])
  })
})
