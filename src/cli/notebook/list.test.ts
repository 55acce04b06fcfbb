import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeNotebookFile } from '../../lib/jupyter/notebook.fixture.ts'
import { type NotebookHome, openNotebookHome } from './notebook-home.fixture.ts'

let folder = ''
let home: NotebookHome
beforeEach(async () => {
  home = await openNotebookHome()
  folder = home.folder
})
afterEach(() => home[Symbol.asyncDispose]())

describe('lake notebook list', () => {
  it('shows the lessons, and those of the own folder with what they declare', async () => {
    await mkdir(join(folder, 'team', 'node_modules'), { recursive: true })
    const parameters = { source: 'const days = 7', tags: ['parameters'] }
    const path = await writeNotebookFile(join(folder, 'team'), 'churn', [parameters], {
      title: 'Churn',
      schedule: '0 6 * * *',
      gate: 'silver_to_gold_dau',
    })
    await writeNotebookFile(join(folder, 'team', 'node_modules'), 'of-a-package', ['1'])

    const { stdout, exitCode } = await home.lake('notebook', 'list', '--json')

    expect(exitCode).toBe(0)
    const found: { name: string }[] = JSON.parse(stdout)
    expect(found.map(({ name }) => name)).toContain('01-first-look')
    expect(found.at(-1)).toEqual({
      name: 'team/churn',
      path,
      title: 'Churn',
      parameters: [{ name: 'days', type: 'number', default: 7 }],
      schedule: '0 6 * * *',
      gate: 'silver_to_gold_dau',
      lastRun: null,
    })
  })

  it('says what is wrong with a notebook that cannot be read, and lists the others', async () => {
    await writeFile(join(folder, 'broken.ipynb'), '{}')

    const { stdout, exitCode } = await home.lake('notebook', 'list')

    expect(exitCode).toBe(0)
    expect(stdout).toContain('01-first-look')
    expect(stdout).toContain(`${join(folder, 'broken.ipynb')}: not a notebook: `)
  })
})
