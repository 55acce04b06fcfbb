/** `lake runs`: what it lists, shows and says of runs in every state, on a store that the test has filled. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lease } from '../../lib/runs/leases.ts'
import type { AttemptState } from '../../lib/runs/run.ts'
import type { NewRun } from '../../lib/runs/run-book.ts'
import { openRunStore, type RunStore } from '../../lib/runs/run-store.ts'
import { type CliHome, openCliHome } from '../cli.fixture.ts'

let home: CliHome
let store: RunStore
let lease: Lease
beforeAll(async () => {
  home = await openCliHome({ CONSOLE_TOKEN: 'a-secret-token-of-the-console' })
  store = await openRunStore({ url: `sqlite:${join(home.path, 'runs.db')}`, secrets: ['hush-hush'] })
  const outcome = await store.leases.acquire('lakehouse_batch')
  if (outcome.kind !== 'acquired') throw new Error('the lease is held')
  lease = outcome.lease
})
afterAll(async () => {
  await store[Symbol.asyncDispose]()
  await home[Symbol.asyncDispose]()
})

type Ended = Exclude<AttemptState, 'waiting' | 'up-for-retry' | 'running' | 'abandoned'>

/** A run of two tasks that has ended, or is at work on the second one. */
async function run(
  second: Ended | 'running' | 'up-for-retry',
  request: Partial<NewRun> = {},
): Promise<number> {
  const recorder = store.runs.recorder({ dag: 'lakehouse_batch', trigger: 'manual', lease, ...request })
  const startedMs = Date.now()
  const id = await recorder.runStarted({ nodes: ['bronze_to_silver', 'gold_to_clickhouse'], startedMs })
  await recorder.attemptStarted({ node: 'bronze_to_silver', attempt: 1, startedMs })
  await said(id, 'bronze_to_silver', (logger) => logger.info({ rows: 3 }, 'made silver with hush-hush'))
  await recorder.nodeEnded({
    node: 'bronze_to_silver',
    attempt: 1,
    state: 'succeeded',
    endedMs: startedMs,
    rowsIn: 4,
    rowsOut: 3,
    inputs: { 'bronze/events': 7 },
    versionsBefore: { 'silver/events': 1 },
    versionsAfter: { 'silver/events': 2 },
  })
  const at = { node: 'gold_to_clickhouse', attempt: 1 }
  await recorder.attemptStarted({ ...at, startedMs })
  await said(id, 'gold_to_clickhouse', (logger) => {
    logger.debug({}, 'asks ClickHouse')
    logger.error({ err: new Error('no answer') }, 'The attempt failed')
  })
  const error = { code: 'CLICKHOUSE_UNAVAILABLE', message: 'ClickHouse at host:8123: no answer' }
  if (second === 'running') return id
  if (second === 'up-for-retry') {
    await recorder.nodeEnded({
      ...at,
      state: 'failed',
      endedMs: startedMs,
      error,
      retryMs: startedMs + 60_000,
    })
    return id
  }
  const isFailed = second === 'failed'
  await recorder.nodeEnded({ ...at, state: second, endedMs: startedMs, ...(isFailed && { error }) })
  await recorder.runEnded({
    state: second === 'skipped' ? 'succeeded' : second,
    endedMs: startedMs,
    ...(isFailed && { error }),
  })
  return id
}

async function said(
  runId: number,
  node: string,
  say: (logger: ReturnType<RunStore['logs']['attempts']['open']>['logger']) => void,
): Promise<void> {
  const log = store.logs.attempts.open({ runId, node, attempt: 1 })
  say(log.logger)
  await log.close()
}

const parsed = (text: string): ReturnType<typeof JSON.parse> => JSON.parse(text)

describe('lake runs list', () => {
  it('has the reason of a failure in the list itself, and each task as it is declared', async () => {
    const id = await run('failed', { trigger: 'schedule' })

    const plain = await home.lake('runs', 'list', '--limit', '1')
    const json = parsed((await home.lake('runs', 'list', '--limit', '1', '--json')).stdout)

    expect(plain.stdout).toContain(
      `run ${id}, failed: gold_to_clickhouse: ClickHouse at host:8123: no answer`,
    )
    expect(json).toMatchObject([
      {
        id,
        dag: 'lakehouse_batch',
        trigger: 'schedule',
        state: 'failed',
        release: null,
        tasks: [
          {
            name: 'bronze_to_silver',
            state: 'succeeded',
            attempt: 1,
            rowsIn: 4,
            rowsOut: 3,
            inputs: { 'bronze/events': 7 },
            versionsBefore: { 'silver/events': 1 },
            versionsAfter: { 'silver/events': 2 },
            error: null,
          },
          { name: 'gold_to_clickhouse', state: 'failed', error: { code: 'CLICKHOUSE_UNAVAILABLE' } },
        ],
      },
    ])
    expect(json[0].startedAt).toMatch(/^\d{4}-.*Z$/)
  })

  it('shows a run that waits for its turn, one whose task waits for its next attempt, and one that is to end', async () => {
    const queued = await store.runs.queue({ dag: 'lakehouse_batch', trigger: 'retry', firstRun: 1 }, 'x')
    const waiting = await run('up-for-retry')
    const cancelled = await run('running')
    await store.runs.requestCancel(cancelled)

    const { stdout } = await home.lake('runs', 'list', '--limit', '3')
    const shown = await home.lake('runs', 'show', String(waiting))
    const [, , first] = parsed((await home.lake('runs', 'list', '--limit', '3', '--json')).stdout)

    expect(stdout).toMatch(/queued +│ retry of 1/)
    expect(stdout).toMatch(/gold_to_clickhouse, attempt 2 at 20\d\d-\S+Z: ClickHouse at host:8123/)
    expect(stdout).toContain('somebody asked for its end')
    expect(shown.stdout).toMatch(/gold_to_clickhouse +│ +2 │ up-for-retry at 20\d\d-/)
    expect(first).toMatchObject({ id: queued.id, state: 'queued', startedAt: null, firstRun: 1, tasks: [] })
    await store.runs.leaveQueue(queued, new (await import('../../lib/base/errors.ts')).LakeError('BUG', '…'))
  })

  it.each([
    [
      ['--state', 'failed,cancelled', '--trigger', 'backfill'],
      ['backfill failed', 'backfill cancelled'],
    ],
    [
      ['--state', 'failed', '--state', 'cancelled', '--trigger', 'backfill', '--limit', '1'],
      ['backfill cancelled'],
    ],
    [
      ['--trigger', 'backfill', '--since', '1h'],
      ['backfill succeeded', 'backfill cancelled', 'backfill failed'],
    ],
    [['--trigger', 'backfill', '--since', '2999-01-01'], []],
    [
      ['--trigger', 'backfill', '--task', 'gold_to_clickhouse', '--state', 'succeeded'],
      ['backfill succeeded'],
    ],
    [['--trigger', 'backfill', '--task', 'nothing'], []],
  ])('takes the filter %o', async (flags, expected) => {
    if ((await store.runs.list({ triggers: ['backfill'] })).length === 0) {
      for (const state of ['failed', 'cancelled', 'succeeded'] as const)
        await run(state, { trigger: 'backfill' })
    }

    const { stdout } = await home.lake('runs', 'list', ...flags, '--json')

    const found: readonly { trigger: string; state: string }[] = parsed(stdout)
    expect(found.map(({ trigger, state }) => `${trigger} ${state}`).sort()).toEqual([...expected].sort())
  })

  it.each([
    [['--state', 'gone'], 'Expected queued, running, '],
    [['--since', 'yesterday'], 'Expected a time such as'],
    [['--trigger', ''], 'Expected names between commas'],
  ])('refuses %o by what it expects', async (flags, words) => {
    const { exitCode, stderr } = await home.lake('runs', 'list', ...flags)

    expect(exitCode).toBe(2)
    expect(stderr).toContain(words)
  })
})

describe('lake runs logs', () => {
  it('tells what the tasks of a run have said, in the order of time, without secrets', async () => {
    const id = String(await run('failed'))

    const { stdout, exitCode } = await home.lake('runs', 'logs', id)

    expect(exitCode).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines.map((line) => line.replace(/^\S+ /, ''))).toEqual([
      'INFO  bronze_to_silver: made silver with [secret] rows=3',
      'DEBUG gold_to_clickhouse: asks ClickHouse',
      'ERROR gold_to_clickhouse: The attempt failed: no answer',
    ])
  })

  it.each([
    [['--level', 'warn'], ['The attempt failed']],
    [['--search', 'ASKS'], ['asks ClickHouse']],
    [
      ['gold_to_clickhouse', '--attempt', '1'],
      ['asks ClickHouse', 'The attempt failed'],
    ],
    [['--tail', '1'], ['The attempt failed']],
    [['--attempt', '2'], []],
  ])('takes %o', async (flags, expected) => {
    const id = String(await run('failed'))

    const { stdout } = await home.lake('runs', 'logs', id, ...flags, '--json')

    const found = stdout.split('\n').filter((line) => line !== '')
    expect(found.map((line) => parsed(line).message)).toEqual(expected)
  })

  it('is NDJSON with the task, the attempt and the whole error', async () => {
    const id = String(await run('failed'))

    const { stdout } = await home.lake('runs', 'logs', id, '--level', 'error', '--json')

    expect(parsed(stdout)).toMatchObject({
      task: 'gold_to_clickhouse',
      attempt: 1,
      level: 'error',
      err: { message: 'no answer', stack: expect.stringContaining('runs.test.ts') },
    })
  })

  it('says why there is nothing: no task has begun, no line matches, or there is no such task or run', async () => {
    const queued = await store.runs.queue({ dag: 'lakehouse_batch', trigger: 'manual' }, 'x')
    const id = String(await run('failed'))

    const waiting = await home.lake('runs', 'logs', String(queued.id))
    const none = await home.lake('runs', 'logs', id, '--search', 'nowhere')
    const task = await home.lake('runs', 'logs', id, 'bronze_to_gold')
    const missing = await home.lake('runs', 'logs', '9999')

    expect(waiting).toMatchObject({ exitCode: 0, stdout: '' })
    expect(waiting.stderr).toContain(`run ${queued.id} is queued: no task has begun`)
    expect(none.stderr).toContain('no line matches')
    expect(task).toMatchObject({ exitCode: 2 })
    expect(task.stderr).toContain('it has bronze_to_silver, gold_to_clickhouse')
    expect(missing).toMatchObject({ exitCode: 1 })
  })

  it('follows a run until it has ended', async () => {
    const recorder = store.runs.recorder({ dag: 'lakehouse_batch', trigger: 'manual', lease })
    const id = await recorder.runStarted({ nodes: ['a'], startedMs: Date.now() })
    const following = home.lake('runs', 'logs', String(id), '-f', '--json')
    await recorder.attemptStarted({ node: 'a', attempt: 1, startedMs: Date.now() })
    const log = store.logs.attempts.open({ runId: id, node: 'a', attempt: 1 })
    for (let at = 0; at < 3; at++) log.logger.info({}, `line ${at}`)
    await log.close()
    await recorder.nodeEnded({ node: 'a', attempt: 1, state: 'succeeded', endedMs: Date.now() })
    await recorder.runEnded({ state: 'succeeded', endedMs: Date.now() })

    const { stdout } = await following
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => parsed(line).message),
    ).toEqual(['line 0', 'line 1', 'line 2'])
  })
})

it('keeps logs where only this user may read them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lakeshore-logs-'))
  try {
    await using own = await openRunStore({ url: `sqlite:${join(folder, 'runs.db')}` })
    const log = own.logs.attempts.open({ runId: 1, node: 'a', attempt: 1 })
    log.logger.info({}, 'here')
    await log.close()
    const { stat } = await import('node:fs/promises')
    const { mode } = await stat(join(folder, 'runs.db-logs', '1', 'a.1.ndjson'))
    expect(mode & 0o077).toBe(0)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
