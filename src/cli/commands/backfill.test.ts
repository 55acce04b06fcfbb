import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CliHome, openCliHome } from '../cli.fixture.ts'

const range = ['--from', '2026-01-30', '--to', '2026-02-01']
const makeSilver = ['backfill', ...range, '--task', 'bronze_to_silver', '--part-days', '1']

let home: CliHome
beforeAll(async () => {
  home = await openCliHome()
  await home.lake('produce', '--seed', '7', '--count', '300', '--history-days', '2', '--until', '2026-02-01')
  await home.lake('land', '--drain')
})
afterAll(async () => {
  await home[Symbol.asyncDispose]()
})

describe('lake backfill', () => {
  it('says with --dry-run which days it would make, why, and what they cost, and makes none', async () => {
    const asData = await home.lake('backfill', ...range, '--dry-run', '--json')
    const asText = await home.lake('backfill', ...range, '--dry-run')

    const plan = JSON.parse(asData.stdout) as { readonly days: readonly { readonly rows: number }[] }
    expect(plan).toMatchObject({
      dryRun: true,
      backfill: null,
      from: '2026-01-30',
      to: '2026-02-01',
      days: ['2026-01-30', '2026-01-31'].map((date) => ({ date, reason: 'not-made-yet', state: 'waiting' })),
      parts: [['2026-01-30', '2026-01-31']],
      rows: 300,
      estimate: null,
    })
    expect(plan.days.reduce((sum, { rows }) => sum + rows, 0)).toBe(300)
    expect(asText.stdout).toMatch(/2026-01-30 .*not-made-yet .*waiting/)
    expect(asText.stdout).toMatch(
      /\n2 days in 1 part, 300 rows \(\d+\.\d MiB\) of input, no earlier run tells/,
    )
    expect((await home.lake('runs', 'list', '--json')).stdout).toBe('[]\n')
  })

  it('makes the days part by part, tells of each, and says which run has made which', async () => {
    const { exitCode, stdout, stderr } = await home.lake(...makeSilver, '--json')

    expect(exitCode).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      backfill: 1,
      from: '2026-01-30',
      to: '2026-02-01',
      state: 'succeeded',
      days: [
        { date: '2026-01-30', state: 'made', run: 1 },
        { date: '2026-01-31', state: 'made', run: 2 },
      ],
      problems: [],
      release: null,
    })
    expect(stderr).toMatch(/^backfill 1: 2 days in 2 parts, 300 rows/m)
    expect(stderr).toMatch(/^succeeded 2026-01-31 \(1 day, run 2\)$/m)
    expect((await home.lake('runs', 'list')).stdout).toMatch(/backfill/)
  })

  it('has nothing to do in a range without events', async () => {
    const { exitCode, stdout } = await home.lake('backfill', '--from', '2020-01-01', '--to', '2020-02-01')

    expect([exitCode, stdout]).toEqual([
      0,
      'no day of this range is to be made: nothing to do, nothing changed\n',
    ])
  })
})

describe('lake runs days', () => {
  it('names for each day the run that made it last, its version, and whether by the SQL of now', async () => {
    await home.lake('backfill', '--from', '2026-01-31', '--to', '2026-02-01', '--task', 'bronze_to_silver')

    const { exitCode, stdout } = await home.lake('runs', 'days', '--table', 'silver/events', '--json')

    expect(exitCode).toBe(0)
    const day = { table: 'silver/events', at: expect.stringMatching(/Z$/), code: expect.any(String) }
    expect(JSON.parse(stdout)).toEqual([
      { ...day, date: '2026-01-30', run: 1, version: 1, isCodeOfNow: true },
      { ...day, date: '2026-01-31', run: 3, version: 3, isCodeOfNow: true },
    ])
    const some = await home.lake('runs', 'days', '--from', '2026-01-31', '--to', '2026-02-01')
    expect(some.stdout).not.toContain('2026-01-30')
    expect(some.stdout).toMatch(/silver\/quarantine │ 2026-01-31 │ +3 │.*as now/)
  })

  it('says that no day is made yet', async () => {
    const { exitCode, stdout } = await home.lake('runs', 'days', '--table', 'gold/daily_active_users')

    expect([exitCode, stdout]).toEqual([0, 'no days yet: `lake batch` makes them\n'])
  })
})
