/** A stage that is paused, over the log in memory and a sink that says what it was given. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { silentLogger } from '../../lib/base/log.ts'
import { createMemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { type EventLog, offset } from '../../lib/eventlog/eventlog.ts'
import { PauseSwitch } from '../../lib/stream/pause-switch.ts'
import { type LogSink, runStage, type StageSettings } from './stage.ts'
import { StageMeter } from './stage-meter.ts'
import type { WrittenCounts } from './stage-observer.ts'

const stop = new Set<AbortController>()
afterEach(() => {
  for (const each of stop) each.abort(new Error('the test is over'))
  stop.clear()
})

class Sink implements LogSink<WrittenCounts> {
  readonly written: string[] = []
  readonly #next = new Map<number, bigint>()
  /** Holds a write up. */
  gate: Promise<void> = Promise.resolve()
  writing = 0

  next(partition: number) {
    const next = this.#next.get(partition)
    return next === undefined ? undefined : offset(next)
  }
  async refresh() {}
  async knownClusters() {
    return new Set<string>()
  }
  async readUpTo() {
    return undefined
  }
  async skip() {
    return 'skipped' as const
  }
  async write(batch: Parameters<LogSink<WrittenCounts>['write']>[0]) {
    this.writing += 1
    await this.gate
    for (const { value } of batch.messages) this.written.push(String(value))
    for (const [partition, next] of batch.next) this.#next.set(partition, next)
    return { kind: 'written' as const, written: { events: batch.messages.length } }
  }
}

function begin(log: EventLog, sink: Sink, settings: Partial<StageSettings> = {}) {
  const controller = new AbortController()
  stop.add(controller)
  const pause = new PauseSwitch()
  const meter = new StageMeter({ clock: { now: Date.now, sleep: async () => undefined }, pause })
  const ended = (): Promise<unknown> =>
    runStage(
      { name: 'stage', group: 'g', sink, onWritten: () => undefined },
      { log, triggerMs: 1, logger: silentLogger, pause, observer: meter, ...settings },
      { signal: controller.signal },
    )
  return { pause, meter, ended, end: () => controller.abort(new Error('the end')) }
}

const append = (log: EventLog, ...texts: readonly string[]): Promise<void> =>
  log.append(texts.map((text) => ({ key: Buffer.from('one'), value: Buffer.from(text) })))

describe('a stage that is paused', () => {
  it('writes nothing that comes while it is paused, and all of it once when it is resumed', async () => {
    await using log = createMemoryEventLog()
    const sink = new Sink()
    const { pause, meter, ended, end } = begin(log, sink)
    const over = ended()
    await append(log, 'a')
    await vi.waitFor(() => expect(sink.written).toEqual(['a']))

    pause.set('because')
    await vi.waitFor(() => expect(meter.reading().state).toBe('paused'))
    await append(log, 'b', 'c')
    // The log's reader has them, and they wait.
    await vi.waitFor(() => expect(meter.reading().inFlight.messages).toBe(2))
    const during = [...sink.written]
    pause.set(undefined)
    await vi.waitFor(() => expect(sink.written).toEqual(['a', 'b', 'c']))
    end()
    await over

    expect(during).toEqual(['a'])
    expect(sink.written).toEqual(['a', 'b', 'c'])
  })

  it('finishes the batch that it writes', async () => {
    await using log = createMemoryEventLog()
    const sink = new Sink()
    let open = (): void => undefined
    sink.gate = new Promise((resolve) => {
      open = resolve
    })
    const { pause, meter, ended, end } = begin(log, sink)
    const over = ended()
    await append(log, 'a')
    await vi.waitFor(() => expect(sink.writing).toBe(1))

    pause.set('because')
    const whileWriting = meter.reading().state
    open()
    await vi.waitFor(() => expect(meter.reading().state).toBe('paused'))
    end()
    await over

    expect(whileWriting).toBe('running')
    expect(sink.written).toEqual(['a'])
  })

  it('counts as in flight also what is fetched while a batch is written', async () => {
    await using log = createMemoryEventLog()
    const sink = new Sink()
    let open = (): void => undefined
    sink.gate = new Promise((resolve) => {
      open = resolve
    })
    // In several partitions, so that there are several fetches.
    const texts = ['a', 'b', 'c', 'd', 'e', 'f']
    await log.append(texts.map((text) => ({ key: Buffer.from(text), value: Buffer.from(text) })))
    const { meter, ended, end } = begin(log, sink, { maxRows: 1 })
    const over = ended()

    await vi.waitFor(() => expect(meter.reading().inFlight.messages).toBe(6))
    const writing = sink.writing
    open()
    await vi.waitFor(() => expect(sink.written.toSorted()).toEqual(texts))
    await vi.waitFor(() => expect(meter.reading().inFlight.messages).toBe(0))
    expect(writing).toBe(1)
    end()
    await over
  })

  it('does not begin while it is paused: neither its checks and repairs, nor reading', async () => {
    await using log = createMemoryEventLog()
    await append(log, 'a')
    const sink = new Sink()
    let prepared = 0
    const controller = new AbortController()
    stop.add(controller)
    const pause = new PauseSwitch()
    const meter = new StageMeter({ clock: { now: Date.now, sleep: async () => undefined }, pause })
    pause.set('since before the start')
    const over = runStage(
      {
        name: 'stage',
        group: 'g',
        sink,
        onWritten: () => undefined,
        prepare: async () => {
          prepared += 1
          return []
        },
      },
      { log, triggerMs: 1, pause, observer: meter },
      { signal: controller.signal },
    )
    await vi.waitFor(() => expect(meter.reading().state).toBe('paused'))
    const before = [prepared, sink.writing]

    pause.set(undefined)
    await vi.waitFor(() => expect(sink.written).toEqual(['a']))
    controller.abort(new Error('the end'))
    await over

    expect(before).toEqual([0, 0])
    expect(prepared).toBe(1)
  })

  it('ends in order while it is paused, and the next one reads what waited', async () => {
    await using log = createMemoryEventLog()
    const sink = new Sink()
    const first = begin(log, sink)
    first.pause.set('because')
    const over = first.ended()
    await append(log, 'a')
    await vi.waitFor(() => expect(first.meter.reading().state).toBe('paused'))
    first.end()
    expect(await over).toEqual({})

    const second = begin(log, sink)
    const again = second.ended()
    await vi.waitFor(() => expect(sink.written).toEqual(['a']))
    second.end()
    await again
  })

  it('refuses a run with an end, which nobody may be there to resume', async () => {
    await using log = createMemoryEventLog()
    await append(log, 'a')
    const sink = new Sink()
    const { pause, ended } = begin(log, sink, { drain: true })
    pause.set('the bucket moves')

    await expect(ended()).rejects.toMatchObject({
      code: 'STAGE_PAUSED',
      message: 'stage is paused: the bucket moves',
      details: { stage: 'stage' },
    })
    expect(sink.writing).toBe(0)
  })
})
