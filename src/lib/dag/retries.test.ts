/** Attempts of a node: when there is another one, how long it waits, and what of it is recorded and said. */
import { describe, expect, it } from 'vitest'
import { ManualClock } from '../base/clock.ts'
import { type ErrorCode, LakeError } from '../base/errors.ts'
import { type Logger, silentLogger } from '../base/log.ts'
import { scopedLogger } from '../base/log-scope.ts'
import { type ExecuteOptions, type ExecutionEvent, execute } from './execute.ts'
import { createGraph } from './graph.ts'
import type { DagNode, NodeContext, NodeResult, RunOutcome } from './node.ts'
import { plan } from './plan.ts'
import { MemoryRecorder } from './recorder.memory.ts'
import { delayBeforeRetry } from './retry-policy.ts'

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const retries = { maxAttempts: 3, firstDelayMs: 1_000, maxDelayMs: 60_000 }
const outage = (): LakeError => new LakeError('STORE_UNAVAILABLE', 's3://lake: no answer')

/** Fails with each of the errors in turn, and then ends well. */
function failing(...errors: readonly Error[]): (context: NodeContext) => Promise<NodeResult> {
  let at = 0
  return async () => {
    const error = errors[at++]
    if (error !== undefined) throw error
    return { kind: 'succeeded' }
  }
}

interface Executing {
  readonly recorder: MemoryRecorder
  readonly events: readonly ExecutionEvent[]
  readonly clock: ManualClock
  readonly done: Promise<RunOutcome>
}

function executing(nodes: readonly DagNode[], options: Partial<ExecuteOptions> = {}): Executing {
  const graph = createGraph('g', nodes)
  const [recorder, clock] = [new MemoryRecorder(), new ManualClock(0)]
  const events: ExecutionEvent[] = []
  const onEvent = (event: ExecutionEvent): void => {
    events.push(event)
  }
  const common = { recorder, clock, retries, random: () => 0.5, onEvent }
  const done = execute(graph, plan(graph), { ...common, ...options })
  done.catch(() => undefined)
  return { recorder, events, clock, done }
}

const endsOf = ({ lines }: MemoryRecorder): readonly string[] =>
  lines.flatMap((line) => (line.kind === 'node-ended' ? [`${line.node} ${line.attempt} ${line.state}`] : []))

describe('delayBeforeRetry(policy, error, attempt, random)', () => {
  it('grows from attempt to attempt up to the longest, with full jitter', () => {
    const policy = { maxAttempts: 10, firstDelayMs: 1_000, maxDelayMs: 5_000 }
    const delays = (random: number): readonly (number | undefined)[] =>
      [1, 2, 3, 4, 5].map((attempt) => delayBeforeRetry(policy, outage(), attempt, () => random))

    expect(delays(0.999_999)).toEqual([1_000, 2_000, 4_000, 5_000, 5_000])
    expect(delays(0)).toEqual([0, 0, 0, 0, 0])
  })

  it.each<[ErrorCode, boolean]>([
    ['STORE_UNAVAILABLE', true],
    ['CLICKHOUSE_UNAVAILABLE', true],
    ['COMMIT_CONFLICT', true],
    ['TASK_TIMED_OUT', true],
    ['CHECK_FAILED', false],
    ['BOOKS_UNBALANCED', false],
    ['SQL_INVALID', false],
    ['RUN_CANCELLED', false],
  ])('after %s there is another attempt: %s', (code, isRetried) => {
    expect(delayBeforeRetry(retries, new LakeError(code, '…'), 1, () => 0) !== undefined).toBe(isRetried)
  })

  it('has an end, and is never for an error that is none of ours', () => {
    expect(delayBeforeRetry(retries, outage(), 3, () => 0)).toBeUndefined()
    expect(delayBeforeRetry(retries, new TypeError('x is not a function'), 1, () => 0)).toBeUndefined()
  })
})

describe('execute(graph, plan, { retries })', () => {
  it('tries a node again after its delay, records each attempt, and goes on', async () => {
    const running = executing([
      { name: 'a', dependsOn: [], run: failing(outage(), outage()) },
      { name: 'b', dependsOn: ['a'], run: failing() },
    ])
    await settled()
    const waiting = running.recorder.lines.at(-1)
    running.clock.advance(499)
    await settled()
    const early = endsOf(running.recorder)
    running.clock.advance(1)
    await settled()
    running.clock.advance(1_000)

    const outcome = await running.done
    expect(waiting).toMatchObject({ kind: 'node-ended', attempt: 1, state: 'failed', retryMs: 500 })
    expect(early).toEqual(['a 1 failed'])
    expect(endsOf(running.recorder)).toEqual(['a 1 failed', 'a 2 failed', 'a 3 succeeded', 'b 1 succeeded'])
    expect(outcome.kind).toBe('succeeded')
    expect(outcome.nodes[0]).toMatchObject({ kind: 'succeeded', attempt: 3, startedMs: 1_500 })
    expect(running.events.filter(({ kind }) => kind === 'node-retries')).toMatchObject([
      { attempt: 2, retryMs: 500 },
      { attempt: 3, retryMs: 1_500 },
    ])
  })

  it('fails for good after the last attempt, with its error', async () => {
    const running = executing([{ name: 'a', dependsOn: [], run: () => Promise.reject(outage()) }])
    for (const ms of [500, 1_000]) {
      await settled()
      running.clock.advance(ms)
    }

    expect((await running.done).kind).toBe('failed')
    expect(endsOf(running.recorder)).toEqual(['a 1 failed', 'a 2 failed', 'a 3 failed'])
    expect(running.recorder.lines.at(-1)).toMatchObject({
      state: 'failed',
      error: { code: 'STORE_UNAVAILABLE' },
    })
  })

  it('does not try a failure of the data again', async () => {
    const { recorder, done } = executing([
      { name: 'a', dependsOn: [], run: failing(new LakeError('CHECK_FAILED', 'gold/pages: 3 rows')) },
    ])

    expect((await done).kind).toBe('failed')
    expect(endsOf(recorder)).toEqual(['a 1 failed'])
  })

  it('gives the place of a waiting node to another one', async () => {
    const running = executing(
      [
        { name: 'a', dependsOn: [], run: failing(outage()) },
        { name: 'b', dependsOn: [], run: failing() },
      ],
      { concurrency: 1 },
    )
    await settled()
    const meanwhile = endsOf(running.recorder)
    running.clock.advance(500)
    await running.done

    expect(meanwhile).toEqual(['a 1 failed', 'b 1 succeeded'])
    expect(endsOf(running.recorder).at(-1)).toBe('a 2 succeeded')
  })

  it('goes by what a node declares of its own', async () => {
    const { recorder, done } = executing([
      {
        name: 'a',
        dependsOn: [],
        retries: { ...retries, maxAttempts: 1 },
        run: () => Promise.reject(outage()),
      },
    ])
    await done

    expect(endsOf(recorder)).toEqual(['a 1 failed'])
  })

  it('cancels the next attempt of a node that waits for it, and says why the run was cancelled', async () => {
    const stop = new AbortController()
    const running = executing([{ name: 'a', dependsOn: [], run: () => Promise.reject(outage()) }], {
      signal: stop.signal,
    })
    await settled()
    stop.abort(new LakeError('RUN_CANCELLED', 'Run 1 was cancelled'))

    const outcome = await running.done
    expect(outcome).toMatchObject({ kind: 'cancelled', reason: { code: 'RUN_CANCELLED' } })
    expect(endsOf(running.recorder)).toEqual(['a 1 failed', 'a 2 cancelled'])
    expect(running.recorder.lines.at(-1)).toMatchObject({
      kind: 'run-ended',
      state: 'cancelled',
      error: { code: 'RUN_CANCELLED', message: 'Run 1 was cancelled' },
    })
  })
})

describe('execute(graph, plan, { timeoutMs })', () => {
  const endless = ({ signal }: NodeContext): Promise<NodeResult> =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
    })

  it('aborts an attempt whose time is over, and tries it again', async () => {
    let attempts = 0
    const running = executing([
      {
        name: 'a',
        dependsOn: [],
        timeoutMs: 10_000,
        run: (context) => (++attempts === 1 ? endless(context) : failing()(context)),
      },
    ])
    await settled()
    running.clock.advance(10_000)
    await settled()
    running.clock.advance(500)

    expect((await running.done).kind).toBe('succeeded')
    expect(running.recorder.lines[2]).toMatchObject({
      state: 'failed',
      error: { code: 'TASK_TIMED_OUT', message: 'a: expected to end within 10 s' },
    })
  })

  it('waits for a node that does not heed its signal: two attempts are never at work at once', async () => {
    let letGo: () => void = () => undefined
    let atWork = 0
    let most = 0
    const running = executing(
      [
        {
          name: 'a',
          dependsOn: [],
          run: async ({ attempt, signal }) => {
            most = Math.max(most, ++atWork)
            if (attempt === 1) {
              await new Promise<void>((resolve) => {
                letGo = resolve
              })
            }
            atWork--
            signal.throwIfAborted()
            return { kind: 'succeeded' }
          },
        },
      ],
      { timeoutMs: 1_000 },
    )
    await settled()
    running.clock.advance(60_000)
    await settled()
    const whileAtWork = endsOf(running.recorder)
    letGo()
    await settled()
    running.clock.advance(500)

    expect((await running.done).kind).toBe('succeeded')
    expect(whileAtWork).toEqual([])
    expect(most).toBe(1)
  })
})

describe('execute(graph, plan, { logs })', () => {
  it('keeps what a node and the parts it uses say in the log of the attempt, side by side', async () => {
    const said: string[] = []
    const logs: ExecuteOptions['logs'] = {
      open: ({ runId, node, attempt }) => ({
        logger: listening((level, message) => said.push(`${runId} ${node} ${attempt} ${level}: ${message}`)),
        close: async () => {
          said.push(`${node} ${attempt} closed`)
        },
      }),
    }
    const part = scopedLogger(silentLogger).child({ part: 'store' })
    const running = executing(
      ['a', 'b'].map((name) => ({
        name,
        dependsOn: [],
        run: async ({ logger, attempt }) => {
          await settled()
          part.warn({}, `asked by ${name}`)
          logger.info({}, `at work on ${name}`)
          if (name === 'a' && attempt === 1) throw outage()
          return { kind: 'unchanged' }
        },
      })),
      { logs },
    )
    while (running.clock.sleeping === 0) await settled()
    running.clock.advance(500)
    await running.done
    part.warn({}, 'asked by nobody')

    expect(said.filter((line) => /\ba 1\b/.test(line))).toEqual([
      '1 a 1 info: Attempt 1 begins',
      '1 a 1 warn: asked by a',
      '1 a 1 info: at work on a',
      '1 a 1 error: The attempt failed',
      'a 1 closed',
    ])
    expect(said).toContain('1 b 1 warn: asked by b')
    expect(said).toContain('1 a 2 info: The attempt ended: unchanged')
    expect(said.filter((line) => line.includes('nobody'))).toEqual([])
  })
})

function listening(tell: (level: string, message: string) => void): Logger {
  return {
    debug: (_, message) => tell('debug', message),
    info: (_, message) => tell('info', message),
    warn: (_, message) => tell('warn', message),
    error: (_, message) => tell('error', message),
    child: () => listening(tell),
  }
}
