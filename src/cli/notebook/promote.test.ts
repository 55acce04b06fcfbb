import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeNotebookFile } from '../../lib/jupyter/notebook.fixture.ts'
import { type NotebookHome, openNotebookHome } from './notebook-home.fixture.ts'

const definition = (change: string): string => `const made = defineMetric({
  name: 'logins_daily',
  description: 'Logins of the UTC day.',
  columns: {
    event_date: { type: 'date', description: 'The UTC day' },
    login_count: { type: 'long', description: 'Logins' },
  },
  grain: ['event_date'],
  sql: "SELECT event_date, COUNT(*) AS login_count FROM silver_events WHERE event_type = 'login' GROUP BY event_date",
  checks: [],
  panels: [],
  ${change}
})`

let folder = ''
let home: NotebookHome
beforeEach(async () => {
  home = await openNotebookHome()
  folder = home.folder
})
afterEach(() => home[Symbol.asyncDispose]())

const promote = (notebook: string, metric: string) =>
  home.lake('notebook', 'promote', notebook, '--metric', metric, '--dry-run', '--json')

describe('lake notebook promote', () => {
  it('names the rule that a definition breaks, before anything is asked of the lake', async () => {
    await writeNotebookFile(folder, 'own', [{ source: definition("grain: ['day'],"), tags: ['metric'] }])

    const { stderr, exitCode } = await promote('own', 'logins_daily')

    expect(exitCode).toBe(1)
    expect(stderr).toContain(
      'logins_daily cannot be promoted: The first column of the grain is not event_date',
    )
    expect(stderr).toContain('nothing was changed')
  })

  it.each([
    [
      'no cell is tagged',
      [definition('')],
      'expected one cell tagged metric that defines logins_daily, got none',
      'Tag the cell that calls defineMetric',
    ],
    [
      'it is defined twice',
      [1, 2].map(() => ({ source: definition(''), tags: ['metric'] })),
      'got several',
      '',
    ],
    [
      'another one is defined',
      [{ source: definition("name: 'other',"), tags: ['metric'] }],
      'got none',
      'define other',
    ],
    [
      'a value is not written out',
      [{ source: definition('sql: query,'), tags: ['metric'] }],
      'expected a value that is written out, got query',
      'Write every value out',
    ],
  ])('says so where %s', async (_, cells, problem, hint) => {
    await writeNotebookFile(folder, 'own', cells)

    const { stderr, exitCode } = await promote('own', 'logins_daily')

    expect(exitCode).not.toBe(0)
    expect(stderr).toContain(problem)
    expect(stderr).toContain(hint)
  })
})

describe('lake notebook demote', () => {
  it.each([
    ['daily_users', 'there is no such metric', 'daily_active_users'],
    ['events_per_source_daily', 'serving.events_per_day is made from it', 'joined-view.ts'],
  ])('refuses %s', async (metric, problem, hint) => {
    const { stderr, exitCode } = await home.lake('notebook', 'demote', metric)

    expect(exitCode).toBe(2)
    expect(stderr).toContain(problem)
    expect(stderr).toContain(hint)
  })
})

describe('lake notebook new --from METRIC', () => {
  it('refuses a metric that there is not', async () => {
    const { stderr, exitCode } = await home.lake('notebook', 'new', 'x', '--from', 'daily_active_user')

    expect(exitCode).toBe(2)
    expect(stderr).toContain('Did you mean daily_active_users?')
  })
})
