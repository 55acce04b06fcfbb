/** Each example runs, and prints what it says. */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const run = promisify(execFile)

const expected: Readonly<Record<string, readonly RegExp[]>> = {
  'append-to-a-table.ts': [/^order 2 of 2026-02-01: 12.50$/m, /^version 1$/m],
  'follow-changes.ts': [/^update_preimage: pen 10$/m, /^update_postimage: pen 7$/m, /^delete: cup 4$/m],
  'land-a-topic.ts': [/^landed: 1 event, 1 rejected$/m, /^rejected: not an event \(.+\)$/m],
  'batch-as-a-library.ts': [/^batch succeeded$/m, /^2026-01-30: \d+ users$/m, /^2026-01-31: \d+ users$/m],
}

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-example-'))
})
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))

describe('the examples', () => {
  it('are all run here', () => {
    const files = readdirSync(import.meta.dirname).filter((file) => !file.endsWith('.test.ts'))

    expect(files.sort()).toEqual(Object.keys(expected).sort())
  })

  it.each(Object.entries(expected))('%s prints what it says', async (file, lines) => {
    const { stdout } = await run(process.execPath, [
      '--import',
      'tsx',
      join(import.meta.dirname, file),
      folder,
    ])

    for (const line of lines) expect(stdout).toMatch(line)
  })
})
