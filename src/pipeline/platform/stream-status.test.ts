import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ManualClock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { silentLogger } from '../../lib/base/log.ts'
import { formatOwner, newOwner } from '../../lib/runs/owner.ts'
import { openRunStore, type RunStore } from '../../lib/runs/run-store.ts'
import { StageMeter } from '../streaming/stage-meter.ts'
import type { StageReading } from '../streaming/stage-reading.ts'
import { openPlatform, type Platform } from './compose.ts'
import { readConfig } from './config.ts'
import { withRecording } from './stage-recorder.ts'
import { readStreamStatus } from './stream-status.ts'

let home: string
let clock: ManualClock
let store: RunStore
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lakeshore-stream-'))
  clock = new ManualClock(1_000_000)
  store = await openRunStore({ url: `sqlite:${join(home, 'runs.db')}`, clock })
})
afterEach(async () => {
  await store[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
})

const reading = (of: Partial<StageReading> = {}): StageReading => ({
  ...new StageMeter({ clock }).reading(),
  quietMs: 0,
  ...of,
})

/** A process that says this of itself. @returns How it says more. */
function stage(name: string, owner = formatOwner(newOwner())) {
  return (of: Partial<StageReading> = {}, hasEnded = false) =>
    store.stages.report({ owner, stage: name, content: reading(of), hasEnded })
}

const states = async (): Promise<readonly string[]> =>
  (await readStreamStatus(store)).stages.map(({ state, isHealthy }) => `${state}${isHealthy ? '' : '!'}`)

describe('readStreamStatus(store)', () => {
  it('takes a stage for stuck of which nothing was heard for a minute', async () => {
    await stage('landing')()
    clock.advance(60_000)
    const before = await states()
    clock.advance(1)

    expect([before, await states()]).toEqual([['running'], ['stuck!']])
  })

  it('takes a stage for stuck that says of itself that it does not get on, and no paused one', async () => {
    await stage('landing')({ quietMs: 61_000 })
    await stage('realtime')({ quietMs: 61_000, state: 'paused' })

    expect(await states()).toEqual(['stuck!', 'paused'])
  })

  it('shows one that retries, and one that has failed, as unhealthy, with the reason', async () => {
    const problem = { code: 'CLICKHOUSE_UNAVAILABLE', message: 'connection refused' }
    await stage('landing')({ state: 'failed', problem }, true)
    await stage('realtime')({ state: 'retrying', problem })

    expect(await states()).toEqual(['failed!', 'retrying!'])
    expect((await readStreamStatus(store)).stages.map((each) => each.reading?.problem)).toEqual([
      problem,
      problem,
    ])
  })

  it('leaves out what has ended once another process of the stage has begun after it', async () => {
    await stage('landing')({ state: 'failed' }, true)
    await stage('landing')({ state: 'stopped' }, true)
    clock.advance(1)
    const ended = await states()
    await stage('landing')()

    expect(ended).toEqual(['failed!', 'stopped'])
    expect(await states()).toEqual(['running'])
  })

  it('shows each of several processes of a stage, and not those that ended in order beside them', async () => {
    const [first, second] = [stage('landing'), stage('landing')]
    await first()
    await second()
    const both = await states()
    clock.advance(1_000)
    await first()
    await second({ state: 'stopped' }, true)

    expect([both, await states()]).toEqual([['running', 'running'], ['running']])
  })

  it('shows one that runs beside another that began since it was last heard', async () => {
    await stage('landing')({ state: 'paused' })
    clock.advance(1_000)
    const drain = stage('landing')
    await drain()
    const both = await states()
    await drain({ state: 'stopped' }, true)

    expect([both, await states()]).toEqual([['running', 'paused'], ['paused']])
  })

  it('says so where another release wrote what it cannot read', async () => {
    await store.stages.report({
      owner: formatOwner(newOwner()),
      stage: 'landing',
      content: { state: 'dancing' },
      hasEnded: false,
    })

    expect(await states()).toEqual(['unknown!'])
  })
})

describe('withRecording(platform, stage, work)', () => {
  let platform: Platform
  beforeEach(() => {
    platform = {
      ...openPlatform(readConfig({ LAKE_HOME: home, DUCKDB_THREADS: '1' })),
      runs: async () => store,
    }
  })
  afterEach(() => platform[Symbol.asyncDispose]())

  it('records the stage while it runs, learns of a pause before the work begins, and how it ended', async () => {
    await store.stages.pause('landing', 'because')

    await withRecording(
      platform,
      'landing',
      async ({ observer, pause }) => {
        expect(pause.reason).toBe('because')
        observer.entered({ kind: 'paused', failures: 0 })
        await vi.waitFor(async () => expect(await states()).toEqual(['paused']))
        await store.stages.resume('landing')
        await vi.waitFor(() => expect(pause.isPaused).toBe(false))
      },
      { everyMs: 5 },
    )

    expect(await states()).toEqual(['stopped'])
  })

  it('records the failure that ended it', async () => {
    const failing = withRecording(platform, 'landing', () =>
      Promise.reject(new LakeError('EVENTLOG_GAP', 'partition 0 lost offsets 3 to 7')),
    )

    await expect(failing).rejects.toMatchObject({ code: 'EVENTLOG_GAP' })
    expect((await readStreamStatus(store)).stages[0]?.reading?.problem).toEqual({
      code: 'EVENTLOG_GAP',
      message: 'partition 0 lost offsets 3 to 7',
    })
  })

  it.each(['INTERRUPTED', 'STAGE_PAUSED'] as const)('takes %s for no failure of the stage', async (code) => {
    const ending = withRecording(platform, 'landing', () => Promise.reject(new LakeError(code, 'the end')))

    await expect(ending).rejects.toMatchObject({ code })
    expect(await states()).toEqual(['stopped'])
  })

  it('lets the stage run, and end, where the store fails or never answers, and says so once', async () => {
    const logged: string[] = []
    const logger = { ...silentLogger, warn: (_: object, text: string) => void logged.push(text) }
    const failing = (): Promise<never> => Promise.reject(new LakeError('RUNSTORE_UNAVAILABLE', 'gone'))
    let looks = 0
    const counted = (): Promise<never> => {
      looks += 1
      return failing()
    }

    const done = await withRecording(
      { ...platform, logger, runs: counted },
      'landing',
      async () => {
        await vi.waitFor(() => expect(looks).toBeGreaterThan(3))
        return 'done'
      },
      { everyMs: 5 },
    )
    let asked = 0
    const silent = await withRecording(
      {
        ...platform,
        logger,
        runs: () => {
          asked += 1
          return new Promise<never>(() => undefined)
        },
      },
      'landing',
      async () => 'done',
      { everyMs: 5, patienceMs: 20 },
    )

    expect([done, silent, asked]).toEqual(['done', 'done', 1])
    expect(logged).toEqual([
      expect.stringContaining('could not be recorded'),
      expect.stringContaining('did not say'),
    ])
  })

  it('keeps a pause while the store does not answer', async () => {
    await store.stages.pause('landing', 'because')
    let isAway = false
    let looks = 0
    const runs = async (): Promise<RunStore> => {
      if (!isAway) return store
      looks += 1
      throw new LakeError('RUNSTORE_UNAVAILABLE', 'gone')
    }

    await withRecording(
      { ...platform, runs },
      'landing',
      async ({ pause }) => {
        isAway = true
        await vi.waitFor(() => expect(looks).toBeGreaterThan(2))
        expect(pause.reason).toBe('because')
      },
      { everyMs: 5 },
    )
  })
})
