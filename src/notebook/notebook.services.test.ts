/** `npm run notebook -- --execute` over a small lake, with the real Jupyter and the real kernel. */
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { runRecordedBatch } from '../pipeline/batch/recorded.ts'
import { openPlatform } from '../pipeline/platform/compose.ts'
import { readConfig } from '../pipeline/platform/config.ts'
import { embeddedEnvironment } from '../pipeline/platform/environment.fixture.ts'
import { batchContextOf, runLandingStage } from '../pipeline/platform/stages.ts'
import { produce } from '../pipeline/producer/produce.ts'

const projectDir = join(import.meta.dirname, '..', '..')
const firstLook = join(projectDir, 'notebooks', '01-first-look.ipynb')
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

function execute(
  ...files: readonly string[]
): Promise<{ readonly code: number | null; readonly said: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'scripts/notebook.ts', '--execute', ...files], {
    cwd: projectDir,
    env: embeddedEnvironment(home),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, said }))
  })
}

/** The words of the page that nbconvert makes, without its scripts: what is read where none runs. */
async function htmlOf(notebook: string): Promise<string> {
  const jupyter = join(process.env['JUPYTER_VENV'] ?? '', 'bin', 'jupyter')
  const { stdout } = await promisify(execFile)(jupyter, ['nbconvert', '--to', 'html', '--stdout', notebook], {
    maxBuffer: 1 << 26,
  })
  return stdout.replaceAll(/<script[\s\S]*?<\/script>/g, '')
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

async function notebookOf(name: string, ...cells: readonly string[]): Promise<string> {
  const path = join(home, name)
  const content = {
    cells: cells.map((source, at) => ({
      cell_type: 'code',
      execution_count: null,
      id: `cell-${at}`,
      metadata: {},
      outputs: [],
      source,
    })),
    metadata: { kernelspec: { display_name: 'TypeScript', language: 'typescript', name: 'tslab' } },
    nbformat: 4,
    nbformat_minor: 5,
  }
  await writeFile(path, JSON.stringify(content))
  return path
}

describe('npm run notebook -- --execute', () => {
  it('runs the first lesson from top to bottom and keeps what it showed', { timeout: 600_000 }, async () => {
    const { code, said } = await execute(firstLook)

    expect(said).toContain('01-first-look.ipynb  ok')
    expect(code).toBe(0)
    const { cells } = await readNotebook(join(home, 'notebooks', '01-first-look.ipynb'))
    const outputs = cells.flatMap((cell) => cell.outputs)
    const texts = outputs.map(({ text = '', data }) => `${text}${String(data['text/html'] ?? '')}`).join('\n')
    expect(texts).toContain('DAU by hand and in gold are equal')
    expect(texts).toMatch(/Where the rows of bronze went, at its version \d+/)
    expect(texts).toContain('All equal.')
    expect(texts.match(/<td style="text-align:left">equal<\/td>/g)).toHaveLength(4)
    const figures = outputs.map(({ data }) => data).filter((data) => 'application/vnd.plotly.v1+json' in data)
    expect(figures).toEqual([
      {
        'application/vnd.plotly.v1+json': {
          data: [
            expect.objectContaining({ name: 'mobile', x: expect.objectContaining({ length: 3 }) }),
            expect.objectContaining({ name: 'web' }),
          ],
          layout: expect.anything(),
        },
        'image/svg+xml': expect.anything(),
      },
    ])
    expect(await htmlOf(join(home, 'notebooks', '01-first-look.ipynb'))).toContain(
      'Events per day and source',
    )
  })

  it('closes the lake with the kernel: nothing of it is left', { timeout: 600_000 }, async () => {
    const path = await notebookOf(
      'open.ipynb',
      `import { openLake } from '../dist/notebook/index.js'`,
      `const lake = openLake()\nawait lake.sql('select 1 as a')\nawait lake.clickhouse('select 1 as a')`,
    )

    const { said } = await execute(path)

    expect(said).toContain('open.ipynb  ok')
    expect(await readdir(join(home, 'tmp'))).toEqual([])
  })

  it('shows a failure of the platform in three lines', { timeout: 600_000 }, async () => {
    const path = await notebookOf(
      'fails.ipynb',
      `import { openLake } from '../dist/notebook/index.js'`,
      `await openLake().sql('select dau_cuont from gold.daily_active_users')`,
    )

    const { said } = await execute(path)

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

  it('exits 1 where a cell throws, does not type-check, or fails after it has ended', {
    timeout: 600_000,
  }, async () => {
    const wrong = [
      await notebookOf('throws.ipynb', 'const a = 1', "const f = () => { throw new Error('boom') }\nf()"),
      await notebookOf(
        'untyped.ipynb',
        `import { openLake } from '../dist/notebook/index.js'`,
        `const [day] = await openLake().rows('gold/daily_active_users')\nday.dau_cuont`,
      ),
      await notebookOf('late.ipynb', "Promise.reject(new Error('nobody waited')); 1", '2'),
    ]

    const { code, said } = await execute(...wrong)

    expect(code).toBe(1)
    // Of the stack the cell's own part alone.
    expect(said).toMatch(
      /throws\.ipynb {2}FAILED in cell 2[\s\S]*\n +Error: boom\n +at f .*(\n +at evalmachine.*){2}\nuntyped/,
    )
    expect(said).toMatch(/untyped\.ipynb {2}FAILED in cell 2.*\n.*'dau_cuont' does not exist/)
    expect(said).toMatch(/late\.ipynb {2}FAILED.*\n.*nobody waited/)
    const kept = await Promise.all(wrong.map((path) => readNotebook(join(home, 'notebooks', basename(path)))))
    expect(kept[0]?.cells.map(({ execution_count }) => execution_count)).toEqual([1, 2])
  })

  it('exits 2 naming a notebook that is not there', async () => {
    const { code, said } = await execute('notebooks/none.ipynb')

    expect(code).toBe(2)
    expect(said).toContain('notebooks/none.ipynb: there is no such notebook')
  })
})

describe('notebooks/01-first-look.ipynb', () => {
  it('holds no output in the repository', async () => {
    const { cells } = await readNotebook(firstLook)

    const ran = cells.filter(
      ({ outputs, execution_count }) => outputs.length > 0 || (execution_count ?? null) !== null,
    )

    expect(ran).toEqual([])
  })
})
