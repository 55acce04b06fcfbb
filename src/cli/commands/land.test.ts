import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openSqliteEventLog } from '../../lib/eventlog/eventlog.sqlite.ts'
import { openCliHome } from '../cli.fixture.ts'

const hourMs = 3_600_000

describe('lake land', () => {
  it('stops at a gap, names the flag that goes on, and with it lands what is left', async () => {
    await using home = await openCliHome()
    const startMs = Date.now()
    let nowMs = startMs
    await using log = await openSqliteEventLog({
      directory: join(home.path, 'eventlog'),
      topic: 'user-events',
      retentionMs: hourMs,
      segmentMs: 1,
      clock: { now: () => nowMs, sleep: () => Promise.resolve() },
    })
    const send = (): Promise<void> =>
      log.append([1, 2, 3].map(() => ({ key: Buffer.from('one partition'), value: Buffer.from('no event') })))
    await send()
    const first = await home.lake('land', '--drain')
    // The next three are taken before anyone reads them.
    await send()
    nowMs += 3 * hourMs
    await send()
    nowMs += 3 * hourMs
    await log.applyRetention()
    nowMs = startMs

    const stopped = await home.lake('land', '--drain')
    const accepted = await home.lake('land', '--drain', '--accept-gap', '--json')
    const after = await home.lake('land', '--drain', '--json')

    expect(first.exitCode).toBe(0)
    expect(stopped.exitCode).toBe(1)
    expect(stopped.stderr).toMatch(/expected offset 3, but the oldest kept is 6: 3 messages are lost/)
    expect(stopped.stderr).toContain('--accept-gap')
    expect(accepted.exitCode).toBe(0)
    expect(JSON.parse(accepted.stdout)).toMatchObject({ rejected: 3, skipped: [{ from: 3, to: 6 }] })
    expect(accepted.stderr).toContain('offsets 3 to 5')
    expect(JSON.parse(after.stdout)).toEqual({ events: 0, rejected: 0, commits: 0 })
  })
})
