import { expect, it } from 'vitest'
import { type Clock, systemClock } from '../../lib/base/clock.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { silentLogger } from '../../lib/base/log.ts'
import { createMemoryEventLog } from '../../lib/eventlog/eventlog.memory.ts'
import { offset } from '../../lib/eventlog/eventlog.ts'
import { runStreamStage, type StreamSink } from './stage.ts'
import type { WrittenCounts } from './stage-observer.ts'

it('waits longer after each failure in a row, half a minute at most, and begins anew after a batch', async () => {
  await using log = createMemoryEventLog()
  await log.append([{ key: null, value: Buffer.from('first') }])
  const stop = new AbortController()
  const pausesMs: number[] = []
  const clock: Clock = {
    now: systemClock.now,
    sleep: async (ms) => {
      pausesMs.push(ms)
      if (pausesMs.length === 9) stop.abort(new Error('seen enough'))
    },
  }
  let writes = 0
  const next = new Map<number, bigint>()
  const sink: StreamSink<WrittenCounts> = {
    refresh: async () => undefined,
    next: (partition) => offset(next.get(partition) ?? 0n),
    skip: async () => 'skipped',
    write: async (batch) => {
      writes += 1
      if (writes !== 8) throw new LakeError('CLICKHOUSE_UNAVAILABLE', 'insert: connection refused')
      for (const [partition, to] of batch.next) next.set(partition, to)
      await log.append([{ key: null, value: Buffer.from('second') }])
      return { kind: 'written', written: { events: batch.messages.length } }
    },
  }

  await runStreamStage(
    {
      name: 'stage',
      group: 'g',
      log,
      sink,
      triggerMs: 1,
      maxRows: 1,
      drain: false,
      acceptGap: false,
      clock,
      logger: silentLogger,
      onWritten: () => undefined,
      onSkipped: () => undefined,
    },
    { signal: stop.signal },
  )

  expect(pausesMs.map((ms) => ms / 1000)).toEqual([1, 2, 4, 8, 16, 30, 30, 1, 2])
})
