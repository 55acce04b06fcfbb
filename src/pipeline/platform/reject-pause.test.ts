import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { type Logger, silentLogger } from '../../lib/base/log.ts'
import { openPlatform } from './compose.ts'
import { readConfig } from './config.ts'
import { withRecording } from './stage-recorder.ts'
import { runLandingStage } from './stages.ts'

it('pauses landing at a burst of rejects, in the run store and loudly, until it is resumed', async () => {
  const home = await mkdtemp(join(tmpdir(), 'lakeshore-burst-'))
  const said: string[] = []
  const logger: Logger = { ...silentLogger, error: (_details, message) => void said.push(String(message)) }
  const stop = new AbortController()
  try {
    await using platform = openPlatform(
      readConfig({ LAKE_HOME: home, DUCKDB_THREADS: '1', LANDING_TRIGGER_SECONDS: '0.05' }),
      { logger },
    )
    const log = await platform.log()
    const bad = Array.from({ length: 1_200 }, () => ({
      key: Buffer.from('k'),
      value: Buffer.from('no event'),
    }))
    await log.append(bad)
    let landed = 0
    const running = withRecording(
      platform,
      'landing',
      (recorded) =>
        runLandingStage(platform, {
          ...recorded,
          signal: stop.signal,
          onProgress: ({ rejected }) => {
            landed = rejected
          },
        }),
      { everyMs: 50 },
    )
    const { stages } = await platform.runs()
    const soon = { timeout: 20_000, interval: 20 }
    await vi.waitFor(async () => expect(await stages.pauses()).toHaveLength(1), soon)
    const [pause] = await stages.pauses()
    await vi.waitFor(
      async () => expect(await stages.list()).toMatchObject([{ content: { state: 'paused' } }]),
      soon,
    )
    await log.append(bad.slice(0, 5))
    await stages.resume('landing')
    await vi.waitFor(() => expect(landed).toBe(1_205), soon)
    stop.abort(new Error('the end'))
    await running

    expect(pause).toMatchObject({
      stage: 'landing',
      reason: expect.stringContaining('messages of the last minute were rejected (100 %'),
    })
    expect(said).toEqual([expect.stringContaining('`lake stream resume landing`')])
  } finally {
    stop.abort(new Error('the end'))
    await rm(home, { recursive: true, force: true })
  }
})
