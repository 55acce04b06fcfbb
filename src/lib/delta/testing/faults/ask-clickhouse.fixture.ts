/** ClickHouse in a process of its own, as a reader and a writer of Delta tables that shares no code with the library. */
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import type { SpelledRow } from '../interop/peer.fixture.ts'

const program = `
const { query } = require('chdb')
const repeats = process.argv[2] === 'repeat'
const answers = JSON.parse(process.argv[1]).map(function answer(sql) {
  try {
    return { rows: String(query(sql, 'JSONEachRow')).split('\\n').filter(Boolean).map((line) => JSON.parse(line)) }
  } catch (error) {
    return repeats && String(error).includes('commit conflict') ? answer(sql) : { error: String(error).slice(0, 400) }
  }
})
process.stdout.write(JSON.stringify(answers))
`

export interface Answer {
  readonly rows?: readonly SpelledRow[]
  readonly error?: string
}

/** The answers to the statements, one after the other. `repeatsConflicts`: one that loses a race is said again. */
export async function askClickHouse(
  statements: readonly string[],
  { repeatsConflicts = false }: { readonly repeatsConflicts?: boolean } = {},
): Promise<readonly Answer[]> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['-e', program, JSON.stringify(statements), repeatsConflicts ? 'repeat' : 'once'],
    {
      cwd: '/',
      maxBuffer: 256 * 1024 * 1024,
      env: { ...process.env, NODE_PATH: resolve(import.meta.dirname, '../../../../../node_modules') },
    },
  )
  return JSON.parse(stdout) as readonly Answer[]
}
