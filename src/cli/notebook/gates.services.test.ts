/** A gate in a real kernel: what it refuses stays out of Delta's release, of ClickHouse and of the panel's numbers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { endServer } from '../../lib/clickhouse-server/launch.ts'
import { writeNotebookFile } from '../../lib/jupyter/notebook.fixture.ts'
import { openPlatform } from '../../pipeline/platform/compose.ts'
import { readConfig } from '../../pipeline/platform/config.ts'
import { embeddedEnvironment } from '../../pipeline/platform/environment.fixture.ts'
import type { Ran } from '../cli.fixture.ts'
import { type NotebookHome, openNotebookHome } from './notebook-home.fixture.ts'

let home: NotebookHome
beforeAll(async () => {
  home = await openNotebookHome({ JUPYTER_VENV: process.env['JUPYTER_VENV'] ?? '' })
})
afterAll(async () => {
  await endServer(home.path)
  await home[Symbol.asyncDispose]()
})

const task = 'silver_to_gold_dau'
const notebook = 'team/dau-quality'

async function events(count: number, seed: number): Promise<void> {
  const options = ['--count', String(count), '--seed', String(seed), '--history-days', '2']
  for (const argv of [
    ['produce', ...options],
    ['land', '--drain'],
    ['realtime', '--drain'],
  ]) {
    expect(await home.lake(...argv)).toMatchObject({ exitCode: 0 })
  }
}

/** The gate takes days of up to so many users. */
async function gateUpTo(max: number): Promise<void> {
  const cells = [
    "import { lake, show } from 'lakeshore/notebook'\nconst staged = await lake.staged()",
    "show(await lake.sql('select * from gold.daily_active_users order by event_date'), { caption: staged?.task ?? 'none' })",
    `await lake.table('gold/daily_active_users').check([\n  { kind: 'between', column: 'dau_count', min: 0, max: ${max} },\n])`,
  ]
  await writeNotebookFile(home.folder, notebook, cells, { gate: task })
}

const users = z.array(z.object({ event_date: z.string(), dau_count: z.coerce.number() }))

const linesOf = ({ stdout }: Ran): readonly unknown[] =>
  stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))

/** What the three readers of numbers see: the lake, ClickHouse, and the panel's SQL on it. */
async function shown(): Promise<readonly unknown[]> {
  const select = 'select cast(event_date as varchar) as event_date, dau_count from'
  const ofLake = await home.lake('sql', `${select} gold.daily_active_users order by 1`, '--json')
  await using platform = openPlatform(readConfig({ ...embeddedEnvironment(home.path), DUCKDB_THREADS: '1' }))
  const clickhouse = await platform.clickhouse()
  const ofClickHouse = ['gold', 'serving'].map((database) =>
    clickhouse.query(
      `SELECT toString(event_date) AS event_date, dau_count FROM ${database}.daily_active_users ORDER BY 1`,
    ),
  )
  return [linesOf(ofLake), ...(await Promise.all(ofClickHouse))].map((rows) => users.parse(rows))
}

const run = async (): Promise<Ran> => home.lake('batch')

describe('a notebook as a gate', () => {
  it('keeps the old release before all readers, names its cell, and lets the next batch publish once it is mended', async () => {
    await events(2_000, 1)
    expect(await run()).toMatchObject({ exitCode: 0 })
    const before = await shown()
    await gateUpTo(1)
    await events(600, 2)

    const refused = await run()

    expect(refused.exitCode).toBe(1)
    expect(refused.stdout).toMatch(
      /gold\/daily_active_users: gate team\/dau-quality refuses it \(run 3\): cell 3, line 1: CHECK_FAILED/,
    )
    expect(refused.stdout).toContain('nothing was released')
    expect(await shown()).toEqual(before)
    const gate = await home.lake('runs', 'show', '3')
    expect(gate.stdout).toContain('run 3 of notebook/team/dau-quality: failed; gate')
    expect(gate.stdout).toContain(`judged what ${task} of run 2 has staged`)
    const candidate = await home.lake(
      'table',
      'read',
      'gold/daily_active_users',
      '--candidate',
      '2',
      '--json',
    )
    const rows = users.parse(linesOf(candidate))
    expect(rows.length).toBeGreaterThan(0)

    await gateUpTo(1_000_000)
    const passed = await run()

    expect(passed).toMatchObject({ exitCode: 0 })
    expect((await home.lake('runs', 'show', '4')).stdout).toContain(
      `${task}: gate ${notebook} let it pass (run 5)`,
    )
    const after = await shown()
    expect(after).not.toEqual(before)
    expect(after[0]).toEqual(expect.arrayContaining(rows))
    expect(after).toEqual([after[0], after[0], after[0]])
  })
})
