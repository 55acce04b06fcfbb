import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { notebookText, writeNotebookFile } from '../../lib/jupyter/notebook.fixture.ts'
import { Collected } from '../cli.fixture.ts'
import { runCli } from '../run-cli.ts'
import { type NotebookHome, openNotebookHome } from './notebook-home.fixture.ts'

let folder = ''
let home: NotebookHome
beforeEach(async () => {
  home = await openNotebookHome()
  folder = home.folder
})
afterEach(() => home[Symbol.asyncDispose]())

describe('lake notebook check', () => {
  it('takes outputs out with --fix, and leaves the rest as it is', { timeout: 60_000 }, async () => {
    const path = await writeNotebookFile(folder, 'ran', [{ source: '1', count: 4, outputs: [{ a: 1 }] }])

    const before = await home.lake('notebook', 'check', 'ran')
    const fixed = await home.lake('notebook', 'check', 'ran', '--fix')

    expect(before).toMatchObject({ exitCode: 1 })
    expect(before.stdout).toContain('ran.ipynb: cell 1, line 1, column 1: It holds 1 output.')
    expect(fixed).toMatchObject({ exitCode: 0, stdout: '1 notebook: nothing is wrong\n' })
    expect(await readFile(path, 'utf8')).toBe(notebookText(['1']))
  })

  it('names the notebook that is meant', async () => {
    const { stderr, exitCode } = await home.lake('notebook', 'check', '01-first-lok')

    expect(stderr).toBe('lake: 01-first-lok: there is no such notebook\n  → Did you mean 01-first-look?\n')
    expect(exitCode).toBe(2)
  })
})

describe('lake notebook strip', () => {
  it('filters a notebook for git', async () => {
    const [stdout, stderr] = [new Collected(), new Collected()]
    const stdin = Readable.from([notebookText([{ source: '1', count: 4, outputs: [{ a: 1 }] }])])
    const { signal } = new AbortController()

    const exitCode = await runCli(['notebook', 'strip'], {
      env: { LAKE_HOME: home.path },
      stdin,
      stdout,
      stderr,
      signal,
    })

    expect({ exitCode, text: stdout.text }).toEqual({ exitCode: 0, text: notebookText(['1']) })
  })
})

describe('lake notebook new', () => {
  it('makes the folder, and refuses a notebook that is there', async () => {
    const first = await home.lake('notebook', 'new', 'team/weekly-churn', '--json')
    const second = await home.lake('notebook', 'new', 'team/weekly-churn')

    const path = join(folder, 'team', 'weekly-churn.ipynb')
    expect(JSON.parse(first.stdout)).toEqual({ name: 'team/weekly-churn', path })
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({
      metadata: { lakeshore: { title: 'Weekly churn' } },
    })
    expect(second).toMatchObject({ exitCode: 2 })
    expect(second.stderr).toContain(`${path}: there is a notebook already`)
  })

  it('makes a gate of a task, and of nothing else', async () => {
    const made = await home.lake('notebook', 'new', 'quality', '--gate', 'bronze_to_silver')
    const refused = await home.lake('notebook', 'new', 'other', '--gate', 'ledger')

    expect(made.exitCode).toBe(0)
    expect(JSON.parse(await readFile(join(folder, 'quality.ipynb'), 'utf8'))).toMatchObject({
      metadata: { lakeshore: { gate: 'bronze_to_silver' } },
    })
    expect(refused.exitCode).toBe(2)
    expect(refused.stderr).toContain('--gate ledger: expected one of the tasks bronze_to_silver, ')
  })

  it.each(['../outside', '/tmp/x', 'a/../../b', '.hidden', ''])('refuses the name %j', async (name) => {
    const { stderr, exitCode } = await home.lake('notebook', 'new', name)

    expect(stderr).toContain('expected a name of letters')
    expect(exitCode).toBe(2)
  })
})
