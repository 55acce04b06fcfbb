/** Each example runs, and prints what it says. */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const run = promisify(execFile)

const expected: Readonly<Record<string, readonly RegExp[]>> = {
  'append-to-a-table.ts': [/^order 2 of 2026-02-01: 12.50$/m, /^version 1$/m],
  'follow-changes.ts': [/^update_preimage: pen 10$/m, /^update_postimage: pen 7$/m, /^delete: cup 4$/m],
  'land-a-topic.ts': [/^landed: 1 event, 1 rejected$/m, /^rejected: not an event \(.+\)$/m],
  'batch-as-a-library.ts': [/^batch succeeded$/m, /^2026-01-30: \d+ users$/m, /^2026-01-31: \d+ users$/m],
}

/** Runs them one after the other, each in a folder of its own: the modules that they share are read once. */
const program = `
const [root, ...files] = process.argv.slice(1)
for (const file of files) {
  console.log('\\n== ' + file)
  process.argv.splice(1, Infinity, file, root + '/' + file)
  await import(${JSON.stringify(pathToFileURL(import.meta.dirname).href)} + '/' + file)
}`

let folder = ''
let printed: ReadonlyMap<string, string>
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lakeshore-examples-'))
  const argv = ['--import', 'tsx', '--input-type=module', '--eval', program, folder, ...Object.keys(expected)]
  const { stdout } = await run(process.execPath, argv)
  const parts = stdout.split(/^== (.+)$/m).slice(1)
  printed = new Map(Object.keys(expected).map((file) => [file, parts[parts.indexOf(file) + 1] ?? '']))
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))

describe('the examples', () => {
  it('are all run here', () => {
    const files = readdirSync(import.meta.dirname).filter((file) => !file.endsWith('.test.ts'))

    expect(files.sort()).toEqual(Object.keys(expected).sort())
  })

  it.each(Object.entries(expected))('%s prints what it says', (file, lines) => {
    for (const line of lines) expect(printed.get(file)).toMatch(line)
  })
})
