/** Notebooks as gates, with a program in place of Jupyter's Python that plays their runs. */
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../lib/base/log.ts'
import { writeNotebookFile } from '../../lib/jupyter/notebook.fixture.ts'
import type { Gate, GateVerdict } from '../../pipeline/batch/audit/gate.ts'
import { openPlatform, type Platform } from '../../pipeline/platform/compose.ts'
import { readConfig } from '../../pipeline/platform/config.ts'
import type { StagedTables } from '../../pipeline/query/staged-tables.ts'
import { Collected } from '../cli.fixture.ts'
import { runCli } from '../run-cli.ts'
import { notebookGates } from './gates.ts'

let home = ''
let folder = ''
let platform: Platform
const warnings: object[] = []
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-gates-'))
  folder = join(home, 'own')
  await mkdir(folder)
  warnings.length = 0
  const config = readConfig({ LAKE_HOME: home, DUCKDB_THREADS: '1', LAKESHORE_NOTEBOOKS: folder })
  const warn = (details: object): void => void warnings.push(details)
  platform = openPlatform(config, { logger: { ...silentLogger, warn } })
})
afterEach(async () => {
  await platform[Symbol.asyncDispose]()
  await rm(home, { recursive: true })
})

/** @param script What the Python does instead of running the notebook `$2`. */
function list(script = ''): Promise<readonly Gate[]> {
  const prepare = async () => {
    const bin = join(home, 'bin')
    await mkdir(bin, { recursive: true })
    await writeFile(join(bin, 'python'), `#!/bin/sh\nfolder=$(dirname "$2")\n${script}\n`)
    await chmod(join(bin, 'python'), 0o755)
    return { bin, env: { PATH: '/usr/bin:/bin' } }
  }
  return notebookGates({ platform, prepare }).list()
}

const staged: StagedTables = {
  run: 7,
  task: 'silver_to_gold_dau',
  tables: { 'gold/daily_active_users': { days: ['2026-11-20'], version: { before: 3, actions: [] } } },
  madeFrom: { 'silver/events': 5 },
}

async function judged(script: string): Promise<GateVerdict | undefined> {
  const [gate] = await list(script)
  return gate?.judge(staged)
}

const ended = (failure: object | null): string =>
  `printf '%s\\n' '${JSON.stringify({ event: 'ended', failure })}'`

describe('notebookGates(…)', () => {
  it('are the notebooks whose metadata names a task, wherever they are', async () => {
    await writeNotebookFile(folder, 'quality', ['1'], { gate: 'bronze_to_silver' })
    await writeNotebookFile(join(folder, 'team'), 'dau', ['1'], { gate: 'silver_to_gold_dau' })
    await writeNotebookFile(folder, 'weekly', ['1'], { schedule: '0 6 * * 1' })

    expect((await list()).map(({ name, task }) => [name, task])).toEqual([
      ['quality', 'bronze_to_silver'],
      ['team/dau', 'silver_to_gold_dau'],
    ])
  })

  it('leave out what is another thing than a notebook', async () => {
    await writeFile(join(folder, 'other.ipynb'), '{"cells": 3}')

    expect(await list()).toEqual([])
    expect(warnings).toMatchObject([{ notebook: 'other' }])
  })

  it.each([
    // Jupyter writes the metadata last: a file that was cut off does not say whether it was a gate.
    ['was cut off', '{"cells": [{"cell_type": "code", "source": ['],
    ['is a gate of another shape', '{"cells": 3, "metadata": {"lakeshore": {"gate": "bronze_to_silver"}}}'],
  ])('do not pass over a file that %s', async (_, content) => {
    await writeFile(join(folder, 'half.ipynb'), content)

    await expect(list()).rejects.toMatchObject({ message: expect.stringContaining('half.ipynb') })
  })

  it('do not pass over a folder that is not there', async () => {
    await rm(folder, { recursive: true })

    await expect(list()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `LAKESHORE_NOTEBOOKS ${folder}: there is no such folder, and its gates cannot be asked`,
    })
  })

  it('show a notebook what is staged, and let it pass if no cell fails', async () => {
    await writeNotebookFile(folder, 'quality', ['1'], { gate: 'silver_to_gold_dau' })

    const verdict = await judged(`cp "$LAKESHORE_STAGED_TABLES" "${home}/shown.json"\n${ended(null)}`)

    expect(verdict).toEqual({ run: 1 })
    expect(JSON.parse(await readFile(join(home, 'shown.json'), 'utf8'))).toEqual({
      ...staged,
      gate: 'quality',
    })
    const { runs } = await platform.runs()
    expect(await runs.show(1)).toMatchObject({
      dag: 'notebook/quality',
      trigger: 'gate',
      state: 'succeeded',
      parameters: { release: null, staged: { run: 7, task: 'silver_to_gold_dau' } },
    })
    const stdout = new Collected()
    const { signal } = new AbortController()
    const env = { LAKE_HOME: home, DUCKDB_THREADS: '1' }
    await runCli(['runs', 'show', '1'], { env, stdout, stderr: new Collected(), signal })
    expect(stdout.text).toContain('judged what silver_to_gold_dau of run 7 has staged')
  })

  it('refuse with the cell that fails, and the run that has all of it', async () => {
    await writeNotebookFile(folder, 'quality', ['1', 'boom()'], { gate: 'silver_to_gold_dau' })

    const verdict = await judged(ended({ at: 1, text: 'CHECK_FAILED: expected dau', line: 2, column: null }))

    expect(verdict).toEqual({ run: 1, refusal: 'cell 2, line 2: CHECK_FAILED: expected dau' })
  })

  it('do not pass if there was no kernel to ask', async () => {
    await writeNotebookFile(folder, 'quality', ['1'], { gate: 'silver_to_gold_dau' })

    await expect(judged('echo no jupyter here >&2; exit 1')).rejects.toMatchObject({ code: 'TOOL_MISSING' })
  })

  it('ask the notebook as it is then: a gate that was mended meanwhile passes', async () => {
    await writeNotebookFile(folder, 'quality', ['wrong'], { gate: 'silver_to_gold_dau' })
    const [gate] = await list(`grep -q wrong "$2" && exit 1; ${ended(null)}`)

    await writeNotebookFile(folder, 'quality', ['mended'], { gate: 'silver_to_gold_dau' })

    expect(await gate?.judge(staged)).toEqual({ run: 1 })
  })
})
