/** `lake notebook run` over a small lake, with the real Jupyter and the real kernel. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type CellFixture, writeNotebookFile } from '../lib/jupyter/notebook.fixture.ts'
import { runRecordedBatch } from '../pipeline/batch/recorded.ts'
import { openPlatform } from '../pipeline/platform/compose.ts'
import { readConfig } from '../pipeline/platform/config.ts'
import { embeddedEnvironment } from '../pipeline/platform/environment.fixture.ts'
import { batchContextOf, runLandingStage } from '../pipeline/platform/stages.ts'
import { produce } from '../pipeline/producer/produce.ts'

const projectDir = join(import.meta.dirname, '..', '..')
const lessons = readdirSync(join(projectDir, 'notebooks'))
  .filter((name) => name.endsWith('.ipynb'))
  .map((name) => `notebooks/${name}`)
const dayMs = 86_400_000

const lines = z.union([z.string(), z.array(z.string()).transform((parts) => parts.join(''))])
const notebookSchema = z.object({
  cells: z.array(
    z.object({
      cell_type: z.string(),
      source: lines,
      execution_count: z.number().nullish(),
      outputs: z
        .array(z.object({ text: lines.optional(), data: z.record(z.string(), z.unknown()).default({}) }))
        .default([]),
    }),
  ),
})
const readNotebook = async (path: string): Promise<z.infer<typeof notebookSchema>> =>
  notebookSchema.parse(JSON.parse(await readFile(path, 'utf8')))

let home = ''

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-notebooks-'))
  await using platform = openPlatform(readConfig({ LAKE_HOME: home }))
  await produce(await platform.log(), {
    seed: 11,
    plan: { kind: 'history', count: 3_000, days: 3, untilMs: Math.floor(Date.now() / dayMs) * dayMs },
    late: 0.03,
    duplicate: 0.01,
    malformed: 0.01,
  })
  await runLandingStage(platform, { drain: true })
  await runRecordedBatch(await batchContextOf(platform), await platform.runs(), { trigger: 'manual' })
}, 300_000)

afterAll(() => rm(home, { recursive: true, force: true, maxRetries: 5 }))

interface Executed {
  readonly code: number | null
  /** What it said on stderr. */
  readonly said: string
  readonly state: string
  readonly copy: string
  readonly page: string
  readonly failure: {
    readonly cell: number | null
    readonly line: number | null
    readonly message: string
  } | null
}

const executedSchema = z.object({
  state: z.string(),
  copy: z.string(),
  page: z.string(),
  failure: z
    .object({ cell: z.number().nullable(), line: z.number().nullable(), message: z.string() })
    .nullable(),
})

function lakeNotebookRun(...args: readonly string[]): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', 'notebook', 'run', ...args], {
    cwd: projectDir,
    env: { ...embeddedEnvironment(home), JUPYTER_VENV: process.env['JUPYTER_VENV'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** `lake notebook run FILE --json` */
async function execute(file: string, ...args: readonly string[]): Promise<Executed> {
  const child = lakeNotebookRun(file, ...args, '--json')
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const [answer, said] = await Promise.all([text(child.stdout), text(child.stderr)])
  if (answer === '') return { code: await ended, said, state: '', copy: '', page: '', failure: null }
  return { code: await ended, said, ...executedSchema.parse(JSON.parse(answer)) }
}

/** The words of the page, without its scripts: what is read where none runs. */
async function wordsOf(page: string): Promise<string> {
  return (await readFile(page, 'utf8')).replaceAll(/<script[\s\S]*?<\/script>/g, '')
}

/** DuckDB works in the process of the kernel, on as many processors as there are. */
const untilAtRest = `let isBusy = true
while (isBusy) {
  const before = process.cpuUsage()
  await new Promise((done) => setTimeout(done, 400))
  isBusy = process.cpuUsage(before).user > 200_000
}
console.log('at rest')`

const untilGone = `const running = "SELECT 1 FROM system.processes WHERE query LIKE '%sipHash64(%' AND query NOT LIKE '%LIKE%'"
while ((await lake.clickhouse(running)).length > 0);
console.log('gone')`

interface Cell {
  readonly code: string
  readonly interruptAt?: string
}

/** In one kernel, each as soon as the one before has ended. */
async function runCells(cells: readonly Cell[]): Promise<readonly unknown[]> {
  const python = join(process.env['JUPYTER_VENV'] ?? '', 'bin', 'python')
  const peer = join(projectDir, 'scripts', 'services', 'jupyter_peer.py')
  const child = spawn(python, [peer, join(projectDir, 'notebooks')], {
    env: { ...embeddedEnvironment(home), JUPYTER_PATH: join(home, 'notebooks', '.jupyter') },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(JSON.stringify(cells))
  return z.array(z.unknown()).parse(JSON.parse(await text(child.stdout)))
}

const notebookOf = (name: string, ...cells: readonly (string | CellFixture)[]): Promise<string> =>
  writeNotebookFile(home, basename(name, '.ipynb'), cells)

describe('lake notebook run', () => {
  it.each(lessons)('runs the lesson %s from top to bottom', { timeout: 600_000 }, async (lesson) => {
    const { code, state, failure, page } = await execute(lesson)

    expect({ code, state, failure }).toEqual({ code: 0, state: 'succeeded', failure: null })
    // What a browser would fetch: none of it is there without a network.
    expect(await readFile(page, 'utf8')).not.toMatch(/(?:src|href)="https?:|import\(["'`]http/)
  })

  it('keeps what a cell has shown: a chart, and a picture of it where no script runs', {
    timeout: 600_000,
  }, async () => {
    const path = await notebookOf(
      'chart.ipynb',
      `import { lake, plot } from 'lakeshore/notebook'`,
      `const rows = await lake.table('gold/events_per_source_daily').rows({ orderBy: 'event_date, source' })\nplot.bar(rows, { x: 'event_date', y: 'event_count', color: 'source', title: 'Events per day and source' })`,
    )

    const { copy, page } = await execute(path)

    const { cells } = await readNotebook(copy)
    const shown = cells.flatMap(({ outputs }) => outputs.map(({ data }) => data))
    expect(shown).toContainEqual(
      expect.objectContaining({
        'application/vnd.plotly.v1+json': {
          data: [
            expect.objectContaining({ name: 'mobile', x: expect.objectContaining({ length: 3 }) }),
            expect.objectContaining({ name: 'web' }),
          ],
          layout: expect.anything(),
        },
        'image/svg+xml': expect.anything(),
      }),
    )
    expect(await wordsOf(page)).toContain('Events per day and source')
  })

  it('closes the lake with the kernel: nothing of it is left', { timeout: 600_000 }, async () => {
    const path = await notebookOf(
      'open.ipynb',
      `import { openLake } from '../dist/notebook/index.js'`,
      `const lake = openLake()\nawait lake.sql('select 1 as a')\nawait lake.clickhouse('select 1 as a')`,
    )

    const { state } = await execute(path)

    expect(state).toBe('succeeded')
    expect(await readdir(join(home, 'tmp'))).toEqual([])
  })

  it('goes on where a file changes by which it has found a module, as another process may make it', {
    timeout: 600_000,
  }, async () => {
    const found = join(projectDir, 'notebooks', 'node_modules', 'lakeshore', 'notebook', 'package.json')
    const path = await notebookOf(
      'watches.ipynb',
      `import { readFileSync, renameSync, watch, writeFileSync } from 'node:fs'\nimport { lake } from 'lakeshore/notebook'\nconsole.log(typeof lake)`,
      `const found = ${JSON.stringify(found)}
const isNoticed = new Promise((done) => watch(found, done))
writeFileSync(found + '.copy', readFileSync(found))
renameSync(found + '.copy', found)
await isNoticed
await new Promise((done) => setTimeout(done, 500))`,
      `console.log('on')`,
    )

    const { state, failure } = await execute(path)

    expect({ state, failure }).toEqual({ state: 'succeeded', failure: null })
  })

  it('shows a failure of the platform in three lines', { timeout: 600_000 }, async () => {
    const path = await notebookOf(
      'fails.ipynb',
      `import { openLake } from '../dist/notebook/index.js'`,
      `await openLake().sql('select dau_cuont from gold.daily_active_users')`,
    )

    const { said, code, failure } = await execute(path)

    expect({ code, cell: failure?.cell }).toEqual({ code: 1, cell: 2 })
    const shown = said.split('\n').filter((line) => line.startsWith('    '))
    expect(shown).toEqual([
      expect.stringMatching(/SQL_INVALID: Binder Error: .*dau_cuont/),
      expect.stringMatching(/^ {6}in lake\.sql, line 1 of the SQL: select dau_cuont/),
      expect.stringMatching(/^ {6}→ Correct the SQL/),
    ])
  })

  it('ends the query of a cell that is interrupted, in DuckDB and in ClickHouse, and lives on', {
    timeout: 600_000,
  }, async () => {
    // Makes the kernel known under this home.
    await execute(await notebookOf('first.ipynb', '1'))
    const begun = "setTimeout(() => console.log('begun'), 200)\n"

    const answers = await runCells([
      {
        code: `import { openLake } from '../dist/notebook/index.js'\nconst lake = openLake()\nawait lake.clickhouse('select 1')`,
      },
      {
        code: `${begun}await lake.sql('select sum(hash(a.range * b.range)) from range(10000000) a, range(1000000) b')`,
        interruptAt: 'begun',
      },
      { code: untilAtRest },
      {
        code: `${begun}await lake.clickhouse('SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1')`,
        interruptAt: 'begun',
      },
      { code: untilGone },
      { code: `console.log(await lake.sql('select 2 as a'), await lake.clickhouse('select 3 as a'))` },
    ])

    expect(answers.slice(1)).toEqual([
      { status: 'error', text: 'begun\n[Error: Interrupted asynchronously]\n' },
      { status: 'ok', text: 'at rest\n' },
      { status: 'error', text: 'begun\n[Error: Interrupted asynchronously]\n' },
      { status: 'ok', text: 'gone\n' },
      { status: 'ok', text: '[ { a: 2 } ] [ { a: 3 } ]\n' },
    ])
  })

  it('tells a failure with its cell and its line there, in the lines that were written', {
    timeout: 600_000,
  }, async () => {
    const declared = 'type Row = {\n  id: string\n}\nconst f = (row: Row) => {\n  throw new Error(row.id)\n}'
    const throws = await execute(
      await notebookOf(
        'throws.ipynb',
        declared,
        "interface Unused {}\n\nf({ id: 'boom' })",
        'console.log(3)',
      ),
    )
    const untyped = await execute(
      await notebookOf(
        'untyped.ipynb',
        `import { lake } from 'lakeshore/notebook'`,
        `const [day] = await lake.table('gold/daily_active_users').rows()\nday.dau_cuont`,
      ),
    )
    const late = await execute(
      await notebookOf('late.ipynb', "Promise.reject(new Error('nobody waited')); 1", '2'),
    )
    const dies = await execute(await notebookOf('dies.ipynb', '1', 'process.exit(3)'))

    expect(throws.failure).toEqual({
      cell: 2,
      line: 3,
      // Of the stack the cells' own part alone.
      message:
        "Error: boom\n    at line 5 of the cell in f: throw new Error(row.id)\n    at line 3 of the cell: f({ id: 'boom' })",
    })
    expect(throws.said).toContain('lake: throws, cell 2, line 3: Error: boom\n')
    expect(untyped.failure).toMatchObject({ cell: 2, line: 2 })
    expect(untyped.said).toMatch(/lake: untyped, cell 2, line 2: .*'dau_cuont' does not exist/)
    expect(late.failure).toMatchObject({ cell: null, message: expect.stringContaining('nobody waited') })
    expect(dies.failure).toMatchObject({ cell: 2, message: expect.stringContaining('The kernel died') })
    expect([throws, untyped, late, dies].map(({ code }) => code)).toEqual([1, 1, 1, 1])
    // Nothing runs after a failure, and what ran is kept.
    const { cells } = await readNotebook(throws.copy)
    expect(cells.map(({ execution_count: count }) => count ?? null)).toEqual([1, 2, null])
    expect(await wordsOf(dies.page)).toContain('process')
  })

  it('runs with other parameters, on an interrupt keeps what was done, and shows both as runs', {
    timeout: 600_000,
  }, async () => {
    const begun = join(home, 'begun')
    const path = await notebookOf(
      'waits.ipynb',
      { source: 'const seconds = 0', tags: ['parameters'] },
      `import { writeFileSync } from 'node:fs'\nconsole.log('seconds', seconds)`,
      `writeFileSync(${JSON.stringify(begun)}, '')\nawait new Promise((done) => setTimeout(done, seconds * 1000))`,
    )

    const child = lakeNotebookRun(path, '--param', 'seconds=600')
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    const said = text(child.stderr)
    await expect.poll(() => readFile(begun, 'utf8').catch(() => undefined), { timeout: 120_000 }).toBe('')
    child.kill('SIGINT')

    expect(await ended).toBe(130)
    const copy = /what it has done is kept: (.*)/.exec(await said)?.[1] ?? ''
    const { cells } = await readNotebook(copy)
    expect(JSON.stringify(cells)).toContain('seconds 600')
    await using platform = openPlatform(readConfig({ LAKE_HOME: home }))
    const { runs } = await platform.runs()
    const [last] = await runs.list({ dag: 'notebook/waits' })
    expect(last).toMatchObject({
      state: 'cancelled',
      parameters: { parameters: { seconds: 600 }, release: 1 },
    })
  })

  it('exits 2 naming a notebook that is not there', async () => {
    const { code, said } = await execute('notebooks/none.ipynb')

    expect(code).toBe(2)
    expect(said).toContain('notebooks/none.ipynb: there is no such notebook')
  })
})

describe('the lessons', () => {
  it.each(lessons)('hold no output in the repository: %s', async (lesson) => {
    const { cells } = await readNotebook(join(projectDir, lesson))

    const ran = cells.filter(
      ({ outputs, execution_count }) => outputs.length > 0 || (execution_count ?? null) !== null,
    )

    expect(ran).toEqual([])
  })
})
