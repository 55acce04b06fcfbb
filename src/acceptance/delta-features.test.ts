/** docs/delta.md says of each feature of the protocol, and of each table property, what the code does with it. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { features, tableProperties } from '../lib/delta/index.ts'

const words = { yes: 'yes', no: 'no', unused: 'where no column uses it' } as const

/** The cells below a header, row by row. */
function tableBelow(header: string): readonly (readonly string[])[] {
  const text = readFileSync(join(import.meta.dirname, '../../docs/delta.md'), 'utf8')
  const [, table = ''] = text.split(`${header}\n|---|---|---|\n`)
  return table
    .slice(0, table.indexOf('\n\n'))
    .split('\n')
    .map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim())
        .slice(1, 4),
    )
}

it('docs/delta.md lists the features of the registry, and what is done with them', () => {
  expect(tableBelow('| feature | read | write |')).toEqual(
    Object.entries(features).map(([name, { read, write }]) => [name, words[read], words[write]]),
  )
})

it('docs/delta.md lists the table properties, their values, and which are hints', () => {
  const listed = tableBelow('| property | values | what it does |').map(([name, values, what = '']) => [
    name,
    values,
    what.startsWith('hint: '),
  ])

  expect(listed).toEqual(
    Object.values(tableProperties)
      .filter(({ role }) => role !== 'kept')
      .map(({ name, expected, role }) => [name, expected, role === 'hint']),
  )
})
