import { describe, expect, it } from 'vitest'
import { parseCron } from './cron.ts'
import { due } from './due.ts'

const cron = parseCron('0 1 * * *', 'cron')
const at = (text: string): number => Date.parse(text)

describe('due(cron, lastMs, nowMs)', () => {
  it('waits for the next tick when none has come since the last', () => {
    expect(due(cron, at('2026-11-23T01:00:00Z'), at('2026-11-23T12:00:00Z'))).toEqual({
      kind: 'wait',
      nextMs: at('2026-11-24T01:00:00Z'),
    })
  })

  it('takes a tick whose timer came a little late as scheduled', () => {
    expect(due(cron, at('2026-11-23T01:00:00Z'), at('2026-11-24T01:00:03Z'))).toEqual({
      kind: 'due',
      tick: { tickMs: at('2026-11-24T01:00:00Z'), kind: 'schedule', missed: 0 },
    })
  })

  it('catches up a tick that was missed', () => {
    expect(due(cron, at('2026-11-23T01:00:00Z'), at('2026-11-24T09:00:00Z'))).toEqual({
      kind: 'due',
      tick: { tickMs: at('2026-11-24T01:00:00Z'), kind: 'catch-up', missed: 0 },
    })
  })

  it('makes one tick, the newest, of many that were missed, and says how many', () => {
    expect(due(cron, at('2026-11-13T01:00:00Z'), at('2026-11-23T01:00:00Z'))).toEqual({
      kind: 'due',
      tick: { tickMs: at('2026-11-23T01:00:00Z'), kind: 'catch-up', missed: 9 },
    })
  })

  it('skips all that were missed if none is to be caught up, and makes one that is on time', () => {
    expect(due(cron, at('2026-11-13T01:00:00Z'), at('2026-11-23T12:00:00Z'), 'none')).toEqual({
      kind: 'skip',
      newestMs: at('2026-11-23T01:00:00Z'),
      count: 10,
    })
    expect(due(cron, at('2026-11-13T01:00:00Z'), at('2026-11-23T01:00:03Z'), 'none')).toEqual({
      kind: 'due',
      tick: { tickMs: at('2026-11-23T01:00:00Z'), kind: 'schedule', missed: 0 },
    })
  })

  it('waits for the next tick of the clock when the last one lies in its future', () => {
    expect(due(cron, at('2030-01-01T01:00:00Z'), at('2026-11-23T00:30:00Z'))).toEqual({
      kind: 'wait',
      nextMs: at('2026-11-23T01:00:00Z'),
    })
  })
})
