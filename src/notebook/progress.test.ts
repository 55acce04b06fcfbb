import { describe, expect, it } from 'vitest'
import { openDuckDb } from '../lib/duckdb/duckdb.ts'
import { progressOutput } from './progress.ts'

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

describe('DuckDb.progress()', () => {
  it('is that of the query that runs, and unknown where none does', async () => {
    using duckdb = await openDuckDb({ threads: 1 })
    const stop = new AbortController()
    const query = duckdb.use((session) =>
      session.run('select sum(hash(a.range * b.range)) from range(1000000) a, range(1000000) b', {
        signal: stop.signal,
      }),
    )

    await expect.poll(() => duckdb.progress(), { timeout: 20_000 }).toBeGreaterThanOrEqual(0)
    stop.abort(new Error('enough'))
    await expect(query).rejects.toThrow('enough')

    expect(duckdb.progress()).toBeUndefined()
  })
})
