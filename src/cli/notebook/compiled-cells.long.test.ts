/** What the compiler says of notebooks whose cells use the platform: it reads all of its types, which takes seconds. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeNotebookFile } from '../../lib/jupyter/notebook.fixture.ts'
import { judgedTasks } from '../../pipeline/batch/tasks.ts'
import { type NotebookHome, openNotebookHome } from './notebook-home.fixture.ts'

let home: NotebookHome
beforeEach(async () => {
  home = await openNotebookHome()
})
afterEach(() => home[Symbol.asyncDispose]())

describe('lake notebook check', () => {
  it('passes a new notebook, and names the place of a column that was renamed', async () => {
    await home.lake('notebook', 'new', 'weekly-churn')
    await writeNotebookFile(home.folder, 'typo', ['1'], { gate: 'silver_to_gold_dao' })
    await writeNotebookFile(home.folder, 'scratch', [
      "import { openLake } from 'lakeshore/notebook'",
      "const [day] = await openLake().table('gold/daily_active_users').rows()\nday.dau_cuont",
    ])
    await writeFile(join(home.folder, 'broken.ipynb'), '{}')

    const { stdout, exitCode } = await home.lake(
      'notebook',
      'check',
      'broken',
      'scratch',
      'typo',
      'weekly-churn',
      '--json',
    )

    expect(JSON.parse(stdout)).toEqual([
      {
        notebook: 'broken',
        cell: null,
        line: null,
        column: null,
        message: expect.stringContaining('not a notebook'),
      },
      {
        notebook: 'scratch',
        cell: 2,
        line: 2,
        column: 5,
        message: expect.stringMatching(/'dau_cuont' does not exist.*Did you mean 'dau_count'\?/),
      },
      {
        notebook: 'typo',
        cell: null,
        line: null,
        column: null,
        message: expect.stringMatching(
          /^gate: expected one of the tasks bronze_to_silver, .*, got silver_to_gold_dao$/,
        ),
      },
    ])
    expect(exitCode).toBe(1)
  })
})

describe('lake notebook new', () => {
  it('starts gates of every task whose cells compile, beside the lessons', async () => {
    for (const task of judgedTasks) await home.lake('notebook', 'new', `gate/${task}`, '--gate', task)

    const { stdout, exitCode } = await home.lake('notebook', 'check')

    expect(stdout).toContain('nothing is wrong')
    expect(exitCode).toBe(0)
  })
})

describe('lake notebook new --from METRIC', () => {
  it('opens a metric for change: its definition is that of the metric, and the cells compile', {
    timeout: 60_000,
  }, async () => {
    await home.lake('notebook', 'new', 'other-conversion', '--from', 'conversion_rate_daily')

    const { stdout, exitCode } = await home.lake('notebook', 'check', 'other-conversion')
    expect(stdout).toContain('nothing is wrong')
    expect(exitCode).toBe(0)
    const text = await readFile(join(home.folder, 'other-conversion.ipynb'), 'utf8')
    expect(JSON.parse(text)).toMatchObject({ metadata: { lakeshore: { changes: 'conversion_rate_daily' } } })
    // What it defines is judged as a change of the metric: then the lake is asked, and there is none.
    const { stderr } = await home.lake(
      'notebook',
      'promote',
      'other-conversion',
      '--metric',
      'conversion_rate_daily',
      '--dry-run',
    )
    expect(stderr).toContain('silver/events')
    expect(stderr).not.toContain('already')
  })
})
