import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../lib/base/log.ts'
import { writeNotebookFile } from '../../lib/jupyter/notebook.fixture.ts'
import { openPlatform, type Platform } from '../../pipeline/platform/compose.ts'
import { readConfig } from '../../pipeline/platform/config.ts'
import { runNotebookSchedule, scheduledNotebooks } from './scheduled.ts'

let home = ''
let platform: Platform
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-notebook-schedule-'))
  platform = openPlatform(readConfig({ LAKE_HOME: home, LAKESHORE_NOTEBOOKS: join(home, 'own') }))
  await mkdir(join(home, 'own'))
})
afterEach(async () => {
  await platform[Symbol.asyncDispose]()
  await rm(home, { recursive: true })
})

describe('scheduledNotebooks(config, onProblem)', () => {
  it('finds those with a schedule, and leaves out one that cannot be kept', async () => {
    await writeNotebookFile(join(home, 'own'), 'never', ['1'])
    await writeNotebookFile(join(home, 'own'), 'weekly', ['1'], { schedule: '0 6 * * 1' })
    await writeNotebookFile(join(home, 'own'), 'wrong', ['1'], { schedule: 'on Mondays' })
    const problems: string[] = []

    const found = await scheduledNotebooks(platform.config, ({ name }, problem) =>
      problems.push(`${name}: ${problem}`),
    )

    expect(found.map(({ place }) => place.name)).toEqual(['weekly'])
    expect(problems).toEqual([expect.stringMatching(/^wrong: schedule.*on Mondays/)])
  })
})

describe('runNotebookSchedule(platform, notebook, options)', () => {
  it('runs it at a tick, goes on after a failure, and ends when it is stopped', async () => {
    const bin = join(home, 'bin')
    await mkdir(bin)
    const failure = { at: 0, text: 'Error: boom', line: 1, column: 1 }
    const ended = JSON.stringify({ event: 'ended', failure })
    await writeFile(join(bin, 'python'), `#!/bin/sh\nprintf '%s\\n' '${ended}'\n`)
    await chmod(join(bin, 'python'), 0o755)
    await writeNotebookFile(join(home, 'own'), 'often', ['1'], { schedule: '* * * * * *' })
    const [notebook] = await scheduledNotebooks(platform.config, () => undefined)
    if (notebook === undefined) throw new Error('expected a notebook with a schedule')
    const stop = new AbortController()
    const reason = new Error('stop')

    const running = runNotebookSchedule(platform, notebook, {
      prepare: async () => ({ bin, env: { PATH: '/usr/bin:/bin' } }),
      signal: stop.signal,
      logger: silentLogger,
    })
    const ending = expect(running).rejects.toBe(reason)
    const { runs } = await platform.runs()
    await expect
      .poll(async () => (await runs.list({ states: ['failed'] })).length, { timeout: 30_000 })
      .toBeGreaterThan(1)
    stop.abort(reason)

    await ending
    const [run] = await runs.list()
    expect(run).toMatchObject({
      dag: 'notebook/often',
      trigger: expect.stringMatching(/^(schedule|catch-up)$/),
      tick: { schedule: 'notebook/often' },
    })
  })
})
