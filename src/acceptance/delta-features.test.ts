/** docs/delta.md says of each feature of the protocol what the code does with it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { features } from '../lib/delta/protocol.ts'

const words = { yes: 'yes', no: 'no', unused: 'where no column uses it' } as const

it('docs/delta.md lists the features of the registry, and what is done with them', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/delta.md'), 'utf8')
  const [, table = ''] = text.split('| feature | read | write |\n|---|---|---|\n')
  const listed = table
    .slice(0, table.indexOf('\n\n'))
    .split('\n')
    .map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim())
        .slice(1, 4),
    )

  expect(listed).toEqual(
    Object.entries(features).map(([name, { read, write }]) => [name, words[read], words[write]]),
  )
})
