import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { isLakeError, LakeError } from '../lib/base/errors.ts'
import { ask } from './cell.ts'
import { plot } from './index.ts'
import { progressOutput } from './progress.ts'

const thrownBy = (work: () => unknown): Promise<unknown> =>
  Promise.resolve()
    .then(work)
    .then(
      () => undefined,
      (error: unknown) => error,
    )

describe('ask(call, work)', () => {
  it('shows a failure in three lines: what, where, and the fix', async () => {
    const message = 'Binder Error: Referenced column "b" not found!\n\nLINE 2: select b\n               ^'
    const failure = new LakeError('SQL_INVALID', message, { cause: new Error('from the engine') })

    const error = await thrownBy(() => ask('lake.sql', () => Promise.reject(failure)))

    expect(inspect(error).split('\n')).toEqual([
      'SQL_INVALID: Binder Error: Referenced column "b" not found!',
      '  in lake.sql, line 2 of the SQL: select b',
      '  → Correct the SQL where the message points.',
    ])
    expect(isLakeError(error, 'SQL_INVALID')).toBe(true)
    expect(error).toMatchObject({ cause: failure })
  })

  it('shows a failure of the system with its fix', async () => {
    const failure = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })

    const error = await thrownBy(() => ask('lake.tables', () => Promise.reject(failure)))

    expect(inspect(error)).toMatch(/^DISK_FULL: .*\n {2}in lake\.tables\n {2}→ Free space/)
  })

  it('leaves an error that has no fix as it is', async () => {
    const bug = new TypeError('x is not a function')

    expect(await thrownBy(() => ask('lake.tables', () => Promise.reject(bug)))).toBe(bug)
  })

  it('aborts what runs when the kernel is interrupted, and listens no longer than that', async () => {
    const before = process.listenerCount('SIGINT')
    const waiting = (signal: AbortSignal): Promise<never> =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    const asked = [1, 2].map(() => thrownBy(() => ask('lake.sql', waiting)))
    await expect.poll(() => process.listenerCount('SIGINT')).toBe(before + 1)

    process.emit('SIGINT')

    for (const error of await Promise.all(asked)) expect(error).toMatchObject({ code: 'INTERRUPTED' })
    expect(process.listenerCount('SIGINT')).toBe(before)
  })
})

describe('plot, of a notebook', () => {
  it('tells a failure in three lines', async () => {
    const untyped: readonly Record<string, unknown>[] = [{ day: 1, count: 2 }]

    const error = await thrownBy(() => plot.bar(untyped, { x: 'day', y: 'cuont' }))

    expect(inspect(error)).toBe(
      'COLUMN_MISSING: plot.bar: no row has the column cuont\n  in plot.bar\n  → Did you mean count?',
    )
  })
})

describe('progressOutput(call, seconds, percent)', () => {
  it('says how far the work is, how long it takes, and how to end it', () => {
    expect(progressOutput("lake.table('a<b').rows", 3.2, 41.6)).toEqual({
      'text/html': `<progress value="41.6" max="100"></progress> lake.table('a&lt;b').rows: 42 %, 3 s; interrupt the kernel to end it`,
      'text/plain': "lake.table('a<b').rows: 42 %, 3 s; interrupt the kernel to end it",
    })
  })

  it.each([undefined, -1])('moves without a share while that is not known: %s', (percent) => {
    expect(progressOutput('lake.sql', 1, percent)['text/html']).toBe(
      '<progress></progress> lake.sql: 1 s; interrupt the kernel to end it',
    )
  })
})
