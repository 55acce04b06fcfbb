import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../base/clock.ts'
import { LakeError } from '../base/errors.ts'
import { parseCron } from './cron.ts'
import type { DueTick } from './due.ts'
import { runSchedule, type ScheduleEvent, type ScheduleOptions } from './schedule.ts'
import { MemoryTickStore } from './tick-store.memory.ts'

const hour = 3_600_000
const at = (text: string): number => Date.parse(text)
const cron = parseCron('0 * * * *', 'cron')

let clock: ManualClock
let ticks: MemoryTickStore
let stop: AbortController
let events: ScheduleEvent[]
let ran: string[]
let running: Promise<unknown>[]

beforeEach(() => {
  clock = new ManualClock(at('2026-11-23T10:30:00Z'))
  ticks = new MemoryTickStore()
  stop = new AbortController()
  events = []
  ran = []
  running = []
})
afterEach(async () => {
  stop.abort(new Error('stop'))
  await Promise.allSettled(running)
})

const describeTick = ({ tickMs, kind, missed }: DueTick): string =>
  `${new Date(tickMs).toISOString().slice(11, 16)} ${kind} ${missed}`

function start(options: Partial<ScheduleOptions> = {}): { readonly ended: Promise<never> } {
  const ended = runSchedule({
    name: 'batch',
    cron,
    ticks,
    clock,
    signal: stop.signal,
    run: async (tick) => void ran.push(describeTick(tick)),
    onEvent: (event) => void events.push(event),
    ...options,
  })
  running.push(ended)
  ended.catch(() => undefined)
  return { ended }
}

/** Lets the schedule go on until it sleeps, moves the clock, and lets it go on again. */
async function pass(ms: number): Promise<void> {
  await asleep()
  for (let left = ms; left > 0; left -= 60_000) {
    clock.advance(Math.min(left, 60_000))
    await asleep()
  }
}

async function asleep(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await Promise.resolve()
}

describe('runSchedule({ name, cron, ticks, run })', () => {
  it('runs each tick when its time has come', async () => {
    start()

    await pass(2 * hour)

    expect(ran).toEqual(['11:00 schedule 0', '12:00 schedule 0'])
  })

  describe("with catchUp: 'none'", () => {
    const catchUp = 'none'
    const described = (): readonly string[] =>
      events.flatMap((event) =>
        event.kind === 'skipped' ? [`${new Date(event.newestMs).toISOString()} ${event.count}`] : [],
      )

    it('skips what was missed, says so once, and goes on', async () => {
      await ticks.baseline('batch', at('2026-11-23T06:30:00Z'))

      start({ catchUp })
      await pass(hour)
      stop.abort(new Error('stop'))
      await Promise.allSettled(running)
      stop = new AbortController()
      start({ catchUp })
      await pass(hour)

      expect(ran).toEqual(['11:00 schedule 0', '12:00 schedule 0'])
      expect(described()).toEqual(['2026-11-23T10:00:00.000Z 4'])
    })

    it('makes a tick all the same whose process died in its midst', async () => {
      await ticks.baseline('batch', at('2026-11-23T06:30:00Z'))
      ticks.dead.set('batch', at('2026-11-23T08:00:00Z'))

      start({ catchUp })
      await pass(hour)

      expect(ran).toEqual(['08:00 catch-up 0', '11:00 schedule 0'])
      expect(described()).toEqual(['2026-11-23T10:00:00.000Z 2'])
    })

    it('waits for a store that does not answer', async () => {
      await ticks.baseline('batch', at('2026-11-23T06:30:00Z'))
      const answering = ticks.begun.bind(ticks)
      ticks.begun = () => Promise.reject(new LakeError('RUNSTORE_UNAVAILABLE', 'gone'))

      start({ catchUp })
      await pass(60_000)
      ticks.begun = answering
      await pass(hour)

      expect(events.map(({ kind }) => kind)).toContain('store-failed')
      expect(ran).toEqual(['11:00 schedule 0'])
    })
  })

  it('catches nothing up at its very first start, and leaves a baseline', async () => {
    start()
    await asleep()

    expect(ran).toEqual([])
    expect(await ticks.latest('batch')).toBe(at('2026-11-23T10:30:00Z'))
  })

  it('catches a tick up that was missed after the first start', async () => {
    await ticks.baseline('batch', at('2026-11-23T09:30:00Z'))

    start()
    await asleep()

    expect(ran).toEqual(['10:00 catch-up 0'])
  })

  it('makes one run of many missed ticks, for the newest', async () => {
    await ticks.baseline('batch', at('2026-11-23T01:00:00Z'))

    start()
    await pass(hour)

    expect(ran).toEqual(['10:00 catch-up 8', '11:00 schedule 0'])
  })

  it('makes one run of the ticks that a machine slept through', async () => {
    start()
    await asleep()

    clock.advance(5 * hour)
    await asleep()

    expect(ran).toEqual(['15:00 catch-up 4'])
  })

  it('makes one run of the ticks that passed while a run went on', async () => {
    let finish: () => void = () => undefined
    start({
      run: async (tick) => {
        ran.push(describeTick(tick))
        if (ran.length > 1) return
        await new Promise<void>((resolve) => {
          finish = resolve
        })
      },
    })
    await pass(hour)
    clock.advance(3 * hour)
    await asleep()
    const meanwhile = [...ran]

    finish()
    await asleep()

    expect(meanwhile).toEqual(['11:00 schedule 0'])
    expect(ran).toEqual(['11:00 schedule 0', '14:00 catch-up 2'])
  })

  it('runs no tick twice when the clock goes back over it', async () => {
    start({
      run: async (tick) => {
        ran.push(describeTick(tick))
        if (ran.length === 1) clock.advance(-hour)
      },
    })

    await pass(2 * hour)

    expect(ran).toEqual(['11:00 schedule 0'])
    expect(events).toContainEqual({ kind: 'clock-went-back', byMs: hour })
  })

  it('goes on with the present when the last tick lies in the future', async () => {
    await ticks.baseline('batch', at('2030-01-01T00:00:00Z'))

    start()
    await pass(hour)

    expect(ran).toEqual(['11:00 schedule 0'])
  })

  it('makes a tick once when two schedules see it', async () => {
    start()
    start()

    await pass(2 * hour)

    expect(ran).toEqual(['11:00 schedule 0', '12:00 schedule 0'])
  })

  it('tries a tick again that another process is at, until it is made', async () => {
    ticks.busy.add('batch')
    start()
    await pass(31 * 60_000)
    const whileBusy = [...ran]

    ticks.busy.delete('batch')
    await pass(60_000)

    expect(whileBusy).toEqual([])
    expect(ran).toEqual(['11:00 catch-up 0'])
  })

  it('goes on after a run that failed', async () => {
    let count = 0
    start({
      run: async (tick) => {
        ran.push(describeTick(tick))
        if (count++ === 0) throw new Error('disk full')
      },
    })

    await pass(2 * hour)

    expect(ran).toEqual(['11:00 schedule 0', '12:00 schedule 0'])
    expect(events.find(({ kind }) => kind === 'failed')).toMatchObject({ error: new Error('disk full') })
  })

  it.each([
    'LEASE_LOST',
    'RUNSTORE_UNAVAILABLE',
  ] as const)('tries a tick again whose run was cut short with %s', async (code) => {
    let count = 0
    start({
      run: async (tick) => {
        ran.push(describeTick(tick))
        if (count++ === 0) throw new LakeError(code, 'gone')
      },
    })

    await pass(hour)

    expect(ran).toEqual(['11:00 schedule 0', '11:00 schedule 0'])
  })

  it('tries again when the store does not answer, and loses no tick', async () => {
    let failures = 2
    ticks.beforeClaim = () => {
      if (failures-- > 0) throw new LakeError('RUNSTORE_UNAVAILABLE', 'gone')
    }
    start()

    await pass(hour)

    expect(ran).toEqual(['11:00 catch-up 0'])
    expect(events.filter(({ kind }) => kind === 'store-failed')).toHaveLength(2)
  })

  it('throws the abort reason while it waits', async () => {
    const { ended } = start()
    await asleep()

    stop.abort(new Error('Ctrl-C'))

    await expect(ended).rejects.toThrow('Ctrl-C')
  })

  it('lets the run in hand end before it stops', async () => {
    let finish: () => void = () => undefined
    const { ended } = start({
      run: async (tick) => {
        await new Promise<void>((resolve) => {
          finish = resolve
        })
        ran.push(describeTick(tick))
      },
    })
    await pass(hour)

    stop.abort(new Error('Ctrl-C'))
    await asleep()
    const atAbort = [...ran]
    finish()

    await expect(ended).rejects.toThrow('Ctrl-C')
    expect(atAbort).toEqual([])
    expect(ran).toEqual(['11:00 schedule 0'])
  })
})
