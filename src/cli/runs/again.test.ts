/** `lake runs retry`, `cancel` and `replay` on a lake, from the look at a failure to its end. */
import { open, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openRunStore, type RunStore } from '../../lib/runs/run-store.ts'
import { type CliHome, openCliHome, type Ran } from '../cli.fixture.ts'

const days = ['2026-01-28', '2026-01-29', '2026-01-30']
const gold = 'silver_to_gold_dau'
/** Those that need no ClickHouse. */
const making = ['--task', `bronze_to_silver,${gold},silver_to_gold_events_source`]

let home: CliHome
let store: RunStore
beforeAll(async () => {
  home = await openCliHome({ BATCH_TASK_ATTEMPTS: '1' })
  store = await openRunStore({ url: `sqlite:${join(home.path, 'runs.db')}` })
  await ok('produce', '--seed', '1', '--count', '600', '--history-days', '3', '--until', '2026-01-31')
  await ok('land', '--drain')
  await ok('batch', ...making)
})
afterAll(async () => {
  await store[Symbol.asyncDispose]()
  await home[Symbol.asyncDispose]()
})

async function ok(...argv: readonly string[]): Promise<Ran> {
  const ran = await home.lake(...argv)
  expect(ran, `lake ${argv.join(' ')}: ${ran.stderr}`).toMatchObject({ exitCode: 0 })
  return ran
}

const json = async (...argv: readonly string[]): Promise<ReturnType<typeof JSON.parse>> =>
  JSON.parse((await home.lake(...argv, '--json')).stdout)

/** Events of one day that come late. */
async function landLate(day: string): Promise<void> {
  const path = join(home.path, 'late.ndjson')
  const late = {
    user_id: 7,
    event_type: 'click',
    page: '/late',
    source: 'web',
    timestamp: `${day}T10:00:00Z`,
  }
  await writeFile(path, `${JSON.stringify({ event_id: `late-${Math.random()}`, ...late })}\n`)
  await ok('produce', '--from', path)
  await ok('land', '--drain')
}

const away: string[] = []

/** As if somebody had cleaned up too much: the rows of the table are read when a day of it is made again. */
async function breakGold(): Promise<void> {
  const folder = join(home.path, 'tables', 'gold', 'daily_active_users')
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.parquet')) continue
    away.push(join(folder, name))
    await rename(join(folder, name), join(folder, `${name}.away`))
  }
}

async function mendGold(): Promise<void> {
  for (const path of away.splice(0)) await rename(`${path}.away`, path)
}

/** @returns the number of a run that failed at one table of gold. */
async function failedNight(day: string): Promise<number> {
  await landLate(day)
  await breakGold()
  const { exitCode } = await home.lake('batch', ...making)
  expect(exitCode).not.toBe(0)
  const [failed] = await json('runs', 'list', '--limit', '1')
  expect(failed.state).toBe('failed')
  return failed.id
}

/** A million lines before the last ones, as a chatty task leaves them. */
async function makeChatty(run: number): Promise<void> {
  const path = join(home.path, 'runs.db-logs', String(run), `${gold}.1.ndjson`)
  const said = await readFile(path, 'utf8')
  const file = await open(path, 'w')
  try {
    const lines = Array.from(
      { length: 10_000 },
      (_, at) => `{"level":"info","time":"2026-01-31T01:00:00.000Z","file":${at},"message":"read a file"}\n`,
    ).join('')
    for (let block = 0; block < 100; block++) await file.write(lines)
    await file.write(said)
  } finally {
    await file.close()
  }
}

describe('the log of a batch', () => {
  it('has what its tasks, and the parts that they use, have said', async () => {
    await ok('table', 'delete', 'gold/events_per_source_daily', '--all', '--force')
    const { stdout } = await ok('batch', ...making, '--json')
    const { runId } = JSON.parse(stdout)

    const logs = await ok('runs', 'logs', String(runId), 'silver_to_gold_events_source')

    const lines = logs.stdout.trimEnd().split('\n')
    expect(lines[0]).toMatch(/INFO {2}silver_to_gold_events_source: Attempt 1 begins$/)
    expect(lines.at(-1)).toMatch(/The attempt ended: succeeded rowsIn=\d+ rowsOut=\d+ versions=/)
  })
})

describe('a night that failed', () => {
  it('is found among a million lines, mended, and its days alone are made again: in four commands', async () => {
    const run = await failedNight('2026-01-29')
    await makeChatty(run)

    const list = await ok('runs', 'list', '--state', 'failed', '--since', '1d')
    const logs = await ok('runs', 'logs', String(run), '--level', 'error')
    await mendGold()
    const again = await ok('runs', 'retry', String(run), '--failed', '--json')
    const shown = await json('runs', 'show', String(JSON.parse(again.stdout).runId))

    expect(list.stdout).toContain(`run ${run}, failed: ${gold}: `)
    expect(list.stdout).toContain('.parquet')
    expect(logs.stdout.trimEnd().split('\n')).toHaveLength(1)
    expect(logs.stdout).toContain(`ERROR ${gold}: The attempt failed: `)
    expect(shown).toMatchObject({ trigger: 'retry', firstRun: run, state: 'succeeded' })
    const tried = shown.attempts.filter((attempt: { state: string }) => attempt.state !== 'skipped')
    expect(tried.map(({ node, details }: { node: string; details: unknown }) => [node, details])).toEqual([
      [gold, { days: ['2026-01-29'] }],
    ])
  })
})

describe('lake runs retry', () => {
  it('runs all of it again without --failed, and names the first run however often it is repeated', async () => {
    const first = await failedNight('2026-01-28')
    const { exitCode } = await home.lake('runs', 'retry', String(first), '--failed')
    const [second] = await json('runs', 'list', '--limit', '1')
    await mendGold()

    const again = await json('runs', 'retry', String(second.id))
    const whole = await json('runs', 'retry', String(first))

    expect(exitCode).not.toBe(0)
    expect(second).toMatchObject({ trigger: 'retry', firstRun: first, state: 'failed' })
    expect(again).toMatchObject({ firstRun: first, state: 'succeeded' })
    const tried = whole.tasks.filter(({ state }: { state: string }) => state !== 'skipped')
    expect(tried.map(({ task }: { task: string }) => task)).toEqual([
      'bronze_to_silver',
      gold,
      'silver_to_gold_events_source',
    ])
  })

  it('says what it would do by a filter, does it with --yes, and what is the same once', async () => {
    const since = new Date().toISOString()
    const [first, second] = [await failedNight('2026-01-30'), await failedAgain()]
    await mendGold()
    const before = (await store.runs.list({ limit: 1 }))[0]?.id

    const preview = await ok('runs', 'retry', '--state', 'failed', '--since', since)
    const untouched = (await store.runs.list({ limit: 1 }))[0]?.id
    const done = await json('runs', 'retry', '--state', 'failed', '--since', since, '--yes')
    const nothing = await ok('runs', 'retry', '--state', 'failed', '--since', since, '--yes')

    expect(preview.stdout).toContain(`run ${second} (failed, `)
    expect(preview.stdout).not.toContain(`run ${first} (failed, `)
    expect(preview.stdout).toContain('2 found, 1 to run again')
    expect(preview.stdout).toContain('add --yes')
    expect(untouched).toBe(before)
    expect(done).toMatchObject([{ state: 'succeeded', firstRun: second }])
    expect(nothing.stdout).toContain('nothing to do')
  })

  it.each([
    [['retry'], 'expected the number of a run, or a filter'],
    [['retry', '1', '--state', 'failed'], 'expected the number of a run, or a filter'],
    [['retry', '1'], 'expected one that has not ended well, got one that is succeeded'],
    [['retry', '--state', 'succeeded'], 'expected failed, cancelled, abandoned'],
    [['cancel'], 'expected the number of a run, or a filter'],
    [['cancel', '--state', 'failed'], 'expected queued, running'],
  ])('refuses `runs %o`', async (argv, words) => {
    const { exitCode, stderr } = await home.lake('runs', ...argv)

    expect(exitCode).toBe(2)
    expect(stderr).toContain(words)
  })
})

/** The gold table is broken already. */
async function failedAgain(): Promise<number> {
  await home.lake('batch', ...making)
  const [failed] = await json('runs', 'list', '--limit', '1')
  return failed.id
}

describe('lake runs cancel', () => {
  it('ends a run of another process in order, and those that wait', async () => {
    const outcome = await store.leases.acquire('lakehouse_batch')
    if (outcome.kind !== 'acquired') throw new Error('the lease is held')
    const waiting = home.lake('batch', ...making)
    const queued = await vi.waitFor(
      async () => {
        const [run] = await store.runs.list({ states: ['queued'] })
        if (run === undefined) throw new Error('not queued yet')
        return run.id
      },
      { timeout: 20_000, interval: 50 },
    )

    const preview = await ok('runs', 'cancel', '--state', 'queued')
    const cancelled = await ok('runs', 'cancel', String(queued))
    const late = await ok('runs', 'cancel', String(queued))
    const ran = await waiting
    await store.leases.release(outcome.lease)

    expect(preview.stdout).toContain('1 would be cancelled')
    expect(cancelled.stdout).toBe(`run ${queued}: cancelled\n`)
    expect(late.stdout).toBe(`run ${queued} had ended before: cancelled\n`)
    expect(ran.exitCode).toBe(1)
    expect(ran.stderr).toContain(`Run ${queued} was cancelled`)
    expect(await json('runs', 'retry', String(queued))).toMatchObject({ firstRun: queued })
  })
})

describe('lake runs replay', () => {
  it('finds the same rows again, though the lake has gone on since', async () => {
    await landLate('2026-01-30')
    await ok('batch', ...making)

    const replay = await json('runs', 'replay', '1')

    expect(replay).toMatchObject({ run: 1, state: 'succeeded', equal: true })
    const tables = new Set(replay.days.map(({ table }: { table: string }) => table))
    expect([...tables].sort()).toEqual([
      'gold/daily_active_users',
      'gold/events_per_source_daily',
      'silver/events',
      'silver/quarantine',
    ])
    expect(replay.days.filter(({ table }: { table: string }) => table === 'silver/events')).toMatchObject(
      days.map((day) => ({ day, isEqual: true, rows: expect.any(Number) })),
    )
    const [listed] = await json('runs', 'list', '--limit', '1')
    expect(listed).toMatchObject({ trigger: 'replay', firstRun: 1, dag: 'lakehouse_replay' })
  })

  it('says that a version is gone, and that there is no such run', async () => {
    const [made] = await json(
      'runs',
      'list',
      '--task',
      'bronze_to_silver',
      '--trigger',
      'manual',
      '--limit',
      '1',
    )
    const database = new (await import('libsql')).default(join(home.path, 'runs.db'))
    database.exec(
      `update attempts set inputs = '{"bronze/events":99}' where run_id = ${made.id} and node = 'bronze_to_silver'`,
    )
    database.close()

    const gone = await home.lake('runs', 'replay', String(made.id))
    const missing = await home.lake('runs', 'replay', '9999')

    expect(gone).toMatchObject({ exitCode: 1 })
    expect(gone.stderr).toContain('bronze/events has no version 99 any more')
    expect(missing.exitCode).toBe(1)
  })
})
