/** How a run is kept and recorded, with a program in place of Jupyter's Python that plays one run. */
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LakeError } from '../../lib/base/errors.ts'
import { writeNotebookFile } from '../../lib/jupyter/notebook.fixture.ts'
import { openPlatform, type Platform } from '../../pipeline/platform/compose.ts'
import { readConfig } from '../../pipeline/platform/config.ts'
import { Collected, openCliHome } from '../cli.fixture.ts'
import { runCli } from '../run-cli.ts'
import { type NotebookRun, runNotebook } from './recorded-run.ts'
import { runnableNotebook } from './run.ts'

let home = ''
let platform: Platform
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-notebook-run-'))
  platform = openPlatform(readConfig({ LAKE_HOME: home, DUCKDB_THREADS: '1' }))
})
afterEach(async () => {
  await platform[Symbol.asyncDispose]()
  await rm(home, { recursive: true })
})

/** A notebook of two cells, whose parameter is `days`, in a Python that does what the script says. */
async function run(script: string, signal?: AbortSignal): Promise<NotebookRun> {
  const bin = join(home, 'bin')
  await mkdir(bin, { recursive: true })
  await writeFile(join(bin, 'python'), `#!/bin/sh\ncopy="$2" page="$3"\n${script}\n`)
  await chmod(join(bin, 'python'), 0o755)
  const path = await writeNotebookFile(home, 'churn', [
    { source: 'const days = 7', tags: ['parameters'] },
    { kind: 'markdown', source: 'Days' },
    'days',
  ])
  const given = new Map([['days', '30']])
  return runNotebook(platform, {
    ...(await runnableNotebook({ name: 'churn', path }, given)),
    environment: { bin, env: { PATH: '/usr/bin:/bin' } },
    trigger: 'manual',
    ...(signal && { signal }),
  })
}

/** @returns what the command has written. */
async function lake(...argv: readonly string[]): Promise<string> {
  const [stdout, stderr] = [new Collected(), new Collected()]
  const { signal } = new AbortController()
  await runCli(argv, { env: { LAKE_HOME: home, DUCKDB_THREADS: '1' }, stdout, stderr, signal })
  return stdout.text
}

const ended = (failure: object | null): string =>
  `printf '%s\\n' '${JSON.stringify({ event: 'ended', failure })}'; echo page > "$page"`

describe('runNotebook(platform, options)', () => {
  it('keeps copy and page apart from the source, and records parameters and place', async () => {
    const done = await run(ended(null))

    const folder = join(home, 'notebooks', 'runs', '1')
    expect(done).toMatchObject({
      run: 1,
      notebook: 'churn',
      state: 'succeeded',
      cells: 2,
      parameters: { days: 30 },
      release: null,
      failure: null,
      copy: join(folder, 'churn.ipynb'),
      page: join(folder, 'churn.html'),
    })
    expect(await readFile(done.copy, 'utf8')).toContain('const days: number = 30')
    expect(await readFile(join(home, 'churn.ipynb'), 'utf8')).not.toContain('30')
    const { runs } = await platform.runs()
    expect(await runs.show(1)).toMatchObject({
      dag: 'notebook/churn',
      trigger: 'manual',
      state: 'succeeded',
      parameters: { notebook: join(home, 'churn.ipynb'), parameters: { days: 30 }, release: null },
      attempts: [{ node: 'execute', state: 'succeeded', details: { copy: done.copy, page: done.page } }],
    })
  })

  it('is shown among the runs, with its parameters and where it is kept', async () => {
    const { copy, page } = await run(ended(null))

    const [list, show] = await Promise.all([lake('runs', 'list'), lake('runs', 'show', '1')])

    expect(list).toMatch(/│ +1 │ notebook\/churn │ succeeded │ manual/)
    expect(show).toContain('run 1 of notebook/churn: succeeded; manual')
    expect(show).toContain(`notebook ${join(home, 'churn.ipynb')} with days=30\n`)
    expect(show).toContain(`nothing was released when it began\ncopy ${copy}\npage ${page}\n`)
  })

  it('tells of a failure by the cell of the source, whatever the copy has before it', async () => {
    // The copy: parameters, those of the run, a text, and the cell that fails.
    const done = await run(ended({ at: 3, text: 'Error: boom\n    at line 2', line: 2, column: 1 }))

    expect(done).toMatchObject({
      state: 'failed',
      failure: { cell: 2, line: 2, message: 'Error: boom\n    at line 2' },
    })
    const { runs } = await platform.runs()
    expect(await runs.show(1)).toMatchObject({
      state: 'failed',
      attempts: [{ error: { code: 'CELL_FAILED', message: 'churn, cell 2, line 2: Error: boom' } }],
    })
  })

  it('records a Python that ends by itself, and keeps the copy', async () => {
    await expect(run('echo no memory >&2; exit 9')).rejects.toThrow(
      'Jupyter ended before the notebook did (exit 9): no memory',
    )

    const { runs } = await platform.runs()
    expect(await runs.show(1)).toMatchObject({
      state: 'failed',
      attempts: [{ error: { code: 'TOOL_MISSING' } }],
    })
    expect(await readFile(join(home, 'notebooks/runs/1/churn.ipynb'), 'utf8')).toContain('30')
  })

  it('interrupts the run, lets it keep what it has done, and records it as cancelled', async () => {
    const stop = new AbortController()
    const reason = new LakeError('INTERRUPTED', 'Interrupted')
    const script = `trap 'echo kept > "$page"; exit 0' INT\n: > '${home}/begun'\nwhile :; do sleep 0.05; done`

    const running = run(script, stop.signal)
    await expect.poll(() => readFile(join(home, 'begun'), 'utf8').catch(() => undefined)).toBe('')
    stop.abort(reason)

    await expect(running).rejects.toBe(reason)
    expect(await readFile(join(home, 'notebooks/runs/1/churn.html'), 'utf8')).toBe('kept\n')
    const { runs } = await platform.runs()
    expect(await runs.show(1)).toMatchObject({ state: 'cancelled' })
  })

  it('leaves alone what another run store has counted as the same run', async () => {
    const before = join(home, 'notebooks', 'runs', '1')
    await mkdir(before, { recursive: true })

    const { copy } = await run(ended(null))

    expect(copy).toMatch(/\/runs\/1-\d+\/churn\.ipynb$/)
  })
})

describe('lake notebook run', () => {
  it.each([
    [['01-first-look', '--param', 'days=x'], 'parameter days: the notebook has no such parameter'],
    [['01-first-look', '--param', 'days'], 'Expected a name and a value, such as days=30.'],
    [[], 'expected the name of a notebook, or --all'],
    [['01-first-look', '--all'], 'expected the name of a notebook, or --all'],
  ])('refuses %j before anything is installed', async (argv, message) => {
    await using cli = await openCliHome()

    const { exitCode, stderr } = await cli.lake('notebook', 'run', ...argv)

    expect(stderr).toContain(message)
    expect(exitCode).toBe(2)
  })

  it('names JUPYTER_VENV if there is no Jupyter', async () => {
    await using cli = await openCliHome({ JUPYTER_VENV: '/nowhere' })

    const { exitCode, stderr } = await cli.lake('notebook', 'run', '01-first-look')

    expect(stderr).toBe(
      'lake: /nowhere: expected a Python environment with Jupyter, found no bin/jupyter\n' +
        '  → Name the folder of an environment that has Jupyter, or unset JUPYTER_VENV: one is then made.\n',
    )
    expect(exitCode).toBe(2)
  })
})
