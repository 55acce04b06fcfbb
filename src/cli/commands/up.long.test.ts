import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeNotebookFile } from '../../lib/jupyter/notebook.fixture.ts'
import { says } from '../lake-process.fixture.ts'

const root = join(import.meta.dirname, '../../..')
let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-up-'))
})
afterEach(() => rm(home, { recursive: true, force: true, maxRetries: 5 }))

describe('lake up', () => {
  it('starts the schedules of notebooks, says when they run next, and ends with them in order', async () => {
    const notebooks = join(home, 'own')
    await mkdir(notebooks)
    await writeNotebookFile(notebooks, 'weekly', ['1'], { schedule: '0 6 * * 1' })
    await writeNotebookFile(notebooks, 'wrong', ['1'], { schedule: 'on Mondays' })
    const up = ['up', '--no-producer', '--port', '0', '--history-days', '0']
    const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...up], {
      cwd: root,
      env: {
        PATH: '/usr/bin:/bin',
        LAKE_HOME: join(home, 'lake'),
        LAKESHORE_NOTEBOOKS: notebooks,
        DUCKDB_THREADS: '1',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const said = text(child.stdout)

    await says(child, /notebook wrong is left out: schedule.*[\s\S]*notebook weekly at 0 6 \* \* 1/)
    child.kill('SIGTERM')

    const [code] = await once(child, 'exit')
    expect(code).toBe(0)
    expect(await said).toContain('Lakeshore is up')
  })
})
