import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { LakeError } from '../../lib/base/errors.ts'
import type { LeaseHolder } from '../../lib/runs/leases.ts'
import { openPlatform, type Platform } from '../../pipeline/platform/compose.ts'
import { readConfig } from '../../pipeline/platform/config.ts'
import { type CliHome, Collected, openCliHome } from '../cli.fixture.ts'
import { runCli } from '../run-cli.ts'

let home: CliHome
let platform: Platform
beforeAll(async () => {
  home = await openCliHome()
  platform = openPlatform(readConfig({ LAKE_HOME: home.path }))
  platform.endClickHouseAtClose()
})
afterAll(async () => {
  await platform[Symbol.asyncDispose]()
  await home[Symbol.asyncDispose]()
})

/** Goes on while `work` does, as the run of another process that holds the lease would. */
async function besideARun(work: (holder: Pick<LeaseHolder, 'runId'>) => Promise<void>): Promise<void> {
  const { leases, runs } = await platform.runs()
  await leases.withLease('lakehouse_batch', async ({ lease }) => {
    const recorder = runs.recorder({ dag: 'lakehouse_batch', trigger: 'manual', lease })
    const runId = await recorder.runStarted({ nodes: ['bronze_to_silver'], startedMs: Date.now() })
    await work({ runId })
    await recorder.runEnded({ state: 'succeeded', endedMs: Date.now() })
  })
}

/** Resolves `said` with what is written first. */
class Stderr extends Collected {
  #say: (text: string) => void = () => undefined
  readonly said = new Promise<string>((resolve) => {
    this.#say = resolve
  })

  override _write(chunk: Buffer, encoding: BufferEncoding, done: () => void): void {
    super._write(chunk, encoding, done)
    this.#say(this.text)
  }
}

interface Started {
  readonly ended: Promise<number>
  readonly stderr: Stderr
  readonly stop: AbortController
}

/** `lake batch` in this process. */
function startBatch(): Started {
  const [stderr, stop] = [new Stderr(), new AbortController()]
  const ended = runCli(['batch', '--task', 'bronze_to_silver'], {
    env: { LAKE_HOME: home.path },
    stdout: new Collected(),
    stderr,
    signal: stop.signal,
  })
  return { ended, stderr, stop }
}

describe('lake batch, beside another batch', () => {
  it('says at once which run it waits for, whose that is and since when, and goes on when that has ended', async () => {
    let waiting: Started | undefined
    await besideARun(async ({ runId }) => {
      waiting = startBatch()
      expect(await waiting.stderr.said).toMatch(
        new RegExp(`^waiting for run ${runId} \\(process ${process.pid} on .+, since 20.+Z\\); Ctrl-C ends`),
      )
    })

    expect(await waiting?.ended).toBe(0)
    expect(waiting?.stderr.text).toContain('bronze_to_silver')
  })

  it('stops when it is interrupted while it waits, and has left the queue', async () => {
    const { runs } = await platform.runs()
    await besideARun(async () => {
      const waiting = startBatch()
      const queued = await vi.waitFor(
        async () => {
          const [run] = await runs.list({ states: ['queued'] })
          if (run === undefined) throw new Error('not queued yet')
          return run.id
        },
        { timeout: 20_000, interval: 20 },
      )
      waiting.stop.abort(new LakeError('INTERRUPTED', 'Interrupted by SIGINT'))

      expect(await waiting.ended).toBe(130)
      expect(await runs.show(queued)).toMatchObject({ state: 'cancelled', attempts: [] })
    })
  })

  it('leaves what one alone leaves, of two that are begun at once', async () => {
    await home.lake('produce', '--count', '500', '--history-days', '2', '--seed', '7')
    await home.lake('land', '--drain')
    const main = join(import.meta.dirname, '../main.ts')
    const inProcess = async (): Promise<{ state: string }> => {
      const words = ['--import', 'tsx', main, 'batch', '--json']
      const { stdout } = await promisify(execFile)(process.execPath, words, {
        env: { PATH: '/usr/bin:/bin', LAKE_HOME: home.path },
      })
      return JSON.parse(stdout) as { state: string }
    }

    const outcomes = await Promise.all([inProcess(), inProcess()])

    expect(outcomes.map(({ state }) => state).sort()).toEqual(['succeeded', 'unchanged'])
    const [counts] = await (await platform.clickhouse()).query(
      `SELECT (SELECT sum(event_count) FROM gold.events_per_source_daily) AS gold,
              (SELECT sum(event_count) FROM serving.events_per_source_daily) AS serving,
              (SELECT count() FROM serving.loads) AS loads`,
    )
    expect(counts).toEqual({ gold: 500, serving: 500, loads: 1 })
  })
})
