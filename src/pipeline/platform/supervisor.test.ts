import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { silentLogger } from '../../lib/base/log.ts'
import { Supervisor } from './supervisor.ts'

describe('Supervisor.run(stage, work)', () => {
  it('remembers what a stage failed of, and when; the others run on', async () => {
    const clock = new ManualClock(Date.parse('2026-11-23T10:00:00Z'))
    const words: string[] = []
    const logger = { ...silentLogger, error: (_: object, message: string) => void words.push(message) }
    const supervisor = new Supervisor({ clock, logger, signal: undefined })

    await supervisor.run('landing', () => Promise.reject(new LakeError('EVENTLOG_GAP', 'offsets 5 to 9')))
    await supervisor.run('realtime', () => Promise.resolve())

    expect(supervisor.failed).toEqual([
      {
        stage: 'landing',
        stoppedMs: Date.parse('2026-11-23T10:00:00Z'),
        error: new LakeError('EVENTLOG_GAP', 'offsets 5 to 9'),
      },
    ])
    expect(words).toEqual(['The stage landing has stopped'])
  })

  it('takes no end that was asked for as a failure', async () => {
    const signal = AbortSignal.abort(new Error('Ctrl-C'))
    const supervisor = new Supervisor({ clock: new ManualClock(), logger: silentLogger, signal })

    await supervisor.run('landing', () => Promise.reject(signal.reason))

    expect(supervisor.failed).toEqual([])
  })
})
