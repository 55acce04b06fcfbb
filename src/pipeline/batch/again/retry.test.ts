import { describe, expect, it } from 'vitest'
import type { JsonValue } from '../../../lib/base/json.ts'
import type { AttemptState, RunState, RunWithAttempts } from '../../../lib/runs/run.ts'
import { batchDag } from '../dag-name.ts'
import { distinctRetries, isDoneBy, planRetry } from './retry.ts'

function run(
  state: RunState,
  states: Readonly<Record<string, AttemptState | readonly AttemptState[]>>,
  more: Partial<RunWithAttempts> = {},
): RunWithAttempts {
  return {
    id: 5,
    dag: batchDag,
    trigger: 'schedule',
    state,
    parameters: { scope: { kind: 'changed' }, tasks: [] },
    startedMs: 1,
    owner: 'o',
    attempts: Object.entries(states).flatMap(([node, of]) =>
      [of].flat().map((each, at) => ({ node, attempt: at + 1, state: each })),
    ),
    ...more,
  }
}

describe('planRetry(run, { onlyFailed })', () => {
  it('does the same again: scope and tasks', () => {
    const parameters = { scope: { kind: 'range', from: '2026-01-01', to: '2026-01-05' }, tasks: ['a'] }

    expect(planRetry(run('failed', { a: 'failed' }, { parameters }))).toEqual({
      run: 5,
      firstRun: 5,
      ...parameters,
    })
  })

  it.each<[string, RunWithAttempts, readonly string[]]>([
    [
      'what failed and what was skipped for it',
      run('failed', { a: 'succeeded', b: 'failed', c: 'unchanged', d: 'skipped' }),
      ['b', 'd'],
    ],
    [
      'the last attempt at a task',
      run('failed', { a: ['failed', 'succeeded'], b: ['failed', 'failed'] }),
      ['b'],
    ],
    [
      'what a killed process left',
      run('abandoned', { a: 'succeeded', b: 'abandoned', c: 'abandoned' }),
      ['b', 'c'],
    ],
    ['what was cancelled', run('cancelled', { a: 'succeeded', b: 'cancelled' }), ['b']],
    [
      'none that the run was not asked for',
      run(
        'failed',
        { a: 'skipped', b: 'failed', c: 'skipped' },
        { parameters: { scope: { kind: 'changed' }, tasks: ['b'] } },
      ),
      ['b'],
    ],
    ['all of a run that planned none', run('cancelled', {}), []],
  ])('with onlyFailed does %s', (_, of, tasks) => {
    expect(planRetry(of, { onlyFailed: true }).tasks).toEqual(tasks)
  })

  it('keeps the number of the first run', () => {
    expect(planRetry(run('failed', {}, { firstRun: 2 }))).toMatchObject({ run: 5, firstRun: 2 })
  })

  it.each<[string, RunWithAttempts]>([
    ['expected one that has not ended well, got one that is succeeded', run('succeeded', {})],
    ['got one that is running', run('running', {})],
    ['expected a run of lakehouse_batch, got one of notebook/a', run('failed', {}, { dag: 'notebook/a' })],
    ['what it was asked for is not recorded', run('failed', {}, { parameters: {} })],
  ])('refuses: %s', (words, of) => {
    expect(() => planRetry(of)).toThrow(words)
  })
})

describe('distinctRetries(retries)', () => {
  it('does once what several runs would do, the newest of them, in the order of the runs', () => {
    const retry = (id: number, parameters: JsonValue) => planRetry(run('failed', {}, { id, parameters }))
    const changed = { scope: { kind: 'changed' }, tasks: [] }
    const days = { scope: { kind: 'days', days: ['2026-01-01'] }, tasks: [] }

    const found = distinctRetries([retry(9, changed), retry(8, days), retry(7, changed)])

    expect(found.map(({ run: id }) => id)).toEqual([8, 9])
  })
})

describe('isDoneBy(retry, later)', () => {
  const failed = planRetry(run('failed', { a: 'succeeded', b: 'failed' }), { onlyFailed: true })
  const later = (state: RunState, tasks: readonly string[], id = 6): RunWithAttempts =>
    run(state, {}, { id, parameters: { scope: { kind: 'changed' }, tasks: [...tasks] } })

  it.each<[boolean, RunWithAttempts]>([
    [true, later('succeeded', [])],
    [true, later('unchanged', ['a', 'b'])],
    [false, later('succeeded', ['a'])],
    [false, later('failed', [])],
    [false, later('succeeded', [], 4)],
    [false, run('succeeded', {}, { id: 6, parameters: { scope: { kind: 'full' }, tasks: [] } })],
  ])('is %s', (isDone, of) => {
    expect(isDoneBy(failed, of)).toBe(isDone)
  })
})
