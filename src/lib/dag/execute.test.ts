import { describe, expect, it } from 'vitest'
import { LakeError } from '../base/errors.ts'
import { type ExecuteOptions, execute } from './execute.ts'
import { createGraph } from './graph.ts'
import type { DagNode, NodeContext, NodeResult, RunOutcome } from './node.ts'
import { plan, type Selection } from './plan.ts'
import { MemoryRecorder } from './recorder.memory.ts'

type Run = (context: NodeContext) => Promise<NodeResult>

const succeed: Run = async () => ({ kind: 'succeeded' })
const fail: Run = () => Promise.reject(new LakeError('CHECK_FAILED', 'gold/pages: 3 rows'))

const node = (name: string, dependsOn: readonly string[] = [], run: Run = succeed): DagNode => ({
  name,
  dependsOn,
  run,
})

async function executed(
  nodes: readonly DagNode[],
  options: Partial<ExecuteOptions> & { readonly selection?: Selection } = {},
): Promise<{ outcome: RunOutcome; recorder: MemoryRecorder; kinds: Record<string, string> }> {
  const graph = createGraph('g', nodes)
  const recorder = new MemoryRecorder()
  const outcome = await execute(graph, plan(graph, options.selection), { recorder, ...options })
  return { outcome, recorder, kinds: Object.fromEntries(outcome.nodes.map((n) => [n.node, n.kind])) }
}

/** Nodes that wait until the test lets them go, and say which of them are at work. */
class Gates {
  readonly atWork = new Set<string>()
  readonly #open = new Map<string, () => void>()

  readonly run =
    (name: string): Run =>
    async ({ signal }) => {
      this.atWork.add(name)
      await new Promise<void>((resolve, reject) => {
        this.#open.set(name, resolve)
        signal.addEventListener('abort', () => reject(signal.reason))
      })
      this.atWork.delete(name)
      return { kind: 'succeeded' }
    }

  open(name: string): void {
    this.#open.get(name)?.()
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('execute(graph, plan, { recorder })', () => {
  it('starts a node only when all that it depends on has ended', async () => {
    const order: string[] = []
    const log =
      (name: string): Run =>
      async () => {
        order.push(`${name} starts`)
        await settled()
        order.push(`${name} ends`)
        return { kind: 'succeeded' }
      }

    await executed([
      node('silver', [], log('silver')),
      node('dau', ['silver'], log('dau')),
      node('load', ['dau'], log('load')),
    ])

    expect(order).toEqual([
      'silver starts',
      'silver ends',
      'dau starts',
      'dau ends',
      'load starts',
      'load ends',
    ])
  })

  it('runs independent nodes side by side, up to the concurrency', async () => {
    const gates = new Gates()
    const names = ['a', 'b', 'c']

    const running = executed(
      names.map((name) => node(name, [], gates.run(name))),
      { concurrency: 2 },
    )
    await settled()
    const first = [...gates.atWork]
    gates.open('a')
    await settled()
    const second = [...gates.atWork]
    for (const name of names) gates.open(name)
    await settled()
    gates.open('c')

    expect(first).toEqual(['a', 'b'])
    expect(second).toEqual(['b', 'c'])
    expect((await running).outcome.kind).toBe('succeeded')
  })

  it('skips the descendants of a failed node, and not its siblings', async () => {
    const { outcome, kinds } = await executed([
      node('silver'),
      node('pages', ['silver'], fail),
      node('dau', ['silver']),
      node('top', ['pages']),
      node('load', ['top', 'dau']),
    ])

    expect(outcome.kind).toBe('failed')
    expect(kinds).toEqual({
      silver: 'succeeded',
      pages: 'failed',
      dau: 'succeeded',
      top: 'skipped',
      load: 'skipped',
    })
    expect(outcome.nodes.find(({ node }) => node === 'load')).toMatchObject({ reason: 'pages failed' })
  })

  it('runs a node whose dependency the plan leaves out', async () => {
    const { kinds } = await executed([node('silver', [], fail), node('dau', ['silver'])], {
      selection: { kind: 'only', nodes: ['dau'] },
    })

    expect(kinds).toEqual({ silver: 'skipped', dau: 'succeeded' })
  })

  it('is unchanged when no node that ran had anything to do', async () => {
    const unchanged: Run = async () => ({ kind: 'unchanged' })

    const { outcome } = await executed([node('a', [], unchanged), node('b', ['a'], unchanged)])

    expect(outcome.kind).toBe('unchanged')
  })

  it('cancels what runs and what waits when aborted, and lets what has ended stand', async () => {
    const gates = new Gates()
    const stop = new AbortController()

    const running = executed([node('a'), node('b', ['a'], gates.run('b')), node('c', ['b'])], {
      signal: stop.signal,
    })
    await settled()
    stop.abort(new Error('Ctrl-C'))

    const { outcome, recorder, kinds } = await running
    expect(outcome.kind).toBe('cancelled')
    expect(kinds).toEqual({ a: 'succeeded', b: 'cancelled', c: 'cancelled' })
    expect(recorder.lines.at(-1)).toEqual({ kind: 'run-ended', state: 'cancelled' })
  })

  it('counts a node that ended well in spite of the abort as succeeded', async () => {
    const stop = new AbortController()

    const { kinds } = await executed(
      [
        node('a', [], async () => {
          stop.abort()
          return { kind: 'succeeded' }
        }),
        node('b', ['a']),
      ],
      { signal: stop.signal },
    )

    expect(kinds).toEqual({ a: 'succeeded', b: 'cancelled' })
  })

  it('records each node before it begins and when it has ended, with its facts', async () => {
    const { recorder } = await executed([
      node('silver', [], async ({ note }) => {
        note({ versionsBefore: { 'silver/events': 3 }, rowsIn: 9 })
        return { kind: 'succeeded', rowsIn: 10, rowsOut: 8, versionsAfter: { 'silver/events': 4 } }
      }),
    ])

    expect(recorder.lines).toEqual([
      { kind: 'run-started', nodes: ['silver'] },
      { kind: 'attempt-started', node: 'silver' },
      {
        kind: 'node-ended',
        node: 'silver',
        attempt: 1,
        state: 'succeeded',
        endedMs: expect.any(Number),
        rowsIn: 10,
        rowsOut: 8,
        versionsBefore: { 'silver/events': 3 },
        versionsAfter: { 'silver/events': 4 },
      },
      { kind: 'run-ended', state: 'succeeded' },
    ])
  })

  it('records the error of a failed node with what it had noted, and again for the run', async () => {
    const { recorder } = await executed([
      node('pages', [], async (context) => {
        context.note({ rowsIn: 10 })
        return fail(context)
      }),
    ])

    const error = { code: 'CHECK_FAILED', message: 'gold/pages: 3 rows' }
    expect(recorder.lines.at(-2)).toMatchObject({ node: 'pages', state: 'failed', rowsIn: 10, error })
    expect(recorder.lines.at(-1)).toEqual({ kind: 'run-ended', state: 'failed', error })
  })

  it('stops, waits for what runs, and throws the error when it can no longer record', async () => {
    const gates = new Gates()
    const graph = createGraph('g', [
      node('a', [], gates.run('a')),
      node('b', [], gates.run('b')),
      node('c', ['a']),
    ])
    const recorder = new MemoryRecorder()
    recorder.beforeWrite = (line) => {
      if (line.kind === 'node-ended') throw new LakeError('LEASE_LOST', 'taken over')
    }

    const running = execute(graph, plan(graph), { recorder })
    running.catch(() => undefined)
    await settled()
    gates.open('a')

    await expect(running).rejects.toThrow('taken over')
    expect(recorder.lines.map(({ kind }) => kind)).toEqual([
      'run-started',
      'attempt-started',
      'attempt-started',
    ])
  })
})
