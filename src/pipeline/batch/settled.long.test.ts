import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRunStore, type RunStore } from '../../lib/runs/run-store.ts'
import { openSmallPlatform, type SmallPlatform, someMessages } from '../reconcile/books.fixture.ts'
import { type Engines, openEngines } from '../serving/engines.fixture.ts'
import { emptyServing } from '../serving/serving.fixture.ts'
import type { BatchContext } from './batch.ts'
import { type RecordedBatchOptions, runRecordedBatch } from './recorded.ts'

let engines: Engines
let books: SmallPlatform
let store: RunStore
/** Of the data of ClickHouse. */
let mark: string | undefined
let marks = 0
const clickhouseMark = {
  read: async () => mark,
  write: async () => {
    marks += 1
    mark = `mark ${marks}`
    return mark
  },
}
beforeAll(async () => {
  engines = await openEngines()
  await emptyServing(engines.clickhouse)
  books = await openSmallPlatform(engines.duckdb, engines.clickhouse)
  store = await openRunStore({ url: `sqlite:${books.folder}/runs.db` })
  await books.send(someMessages(30, 1))
  await books.land()
  await books.realtime()
})
afterAll(async () => {
  await store[Symbol.asyncDispose]()
  await books[Symbol.asyncDispose]()
  await engines[Symbol.asyncDispose]()
})

/** @returns how the run ended, and whether ClickHouse was asked for. */
async function batch(
  parts: Partial<BatchContext> = {},
  options: Partial<RecordedBatchOptions> = {},
): Promise<readonly [kind: string, clickhouse: 'started' | 'left']> {
  let clickhouse: 'started' | 'left' = 'left'
  const { kind } = await runRecordedBatch(
    {
      ...books.context,
      isClickHouseAtRest: async () => true,
      clickhouseMark,
      clickhouse: async () => {
        clickhouse = 'started'
        return engines.clickhouse
      },
      ...parts,
    },
    store,
    { trigger: 'manual', ...options },
  )
  return [kind, clickhouse]
}

describe('a batch with nothing new, beside a ClickHouse that does not run', () => {
  it('leaves it at rest, time after time, once a run has published and audited all', async () => {
    expect(await batch()).toEqual(['succeeded', 'started'])
    expect(await batch()).toEqual(['unchanged', 'left'])
    expect(await batch()).toEqual(['unchanged', 'left'])
  })

  it('says which release readers see', async () => {
    const newest = await store.releases.newest()

    const { nodes } = await runRecordedBatch(
      { ...books.context, isClickHouseAtRest: async () => true, clickhouseMark },
      store,
      { trigger: 'manual' },
    )

    expect(newest).toBeDefined()
    expect(nodes.find(({ node }) => node === 'gold_to_clickhouse')).toMatchObject({
      kind: 'unchanged',
      details: { release: newest?.id },
    })
  })

  it('asks one that runs', async () => {
    expect(await batch({ isClickHouseAtRest: async () => false })).toEqual(['unchanged', 'started'])
  })

  it('starts it for a task that is named', async () => {
    expect(await batch({}, { tasks: ['ledger'] })).toEqual(['unchanged', 'started'])
  })

  it('starts it after a run that left tasks out, or failed', async () => {
    expect(await batch({}, { tasks: ['bronze_to_silver'] })).toEqual(['unchanged', 'left'])
    expect(await batch()).toEqual(['unchanged', 'started'])
    const failing = {
      isClickHouseAtRest: async () => false,
      clickhouse: () => Promise.reject(new Error('down')),
    }
    expect(await batch(failing)).toEqual(['failed', 'left'])

    expect(await batch()).toEqual(['unchanged', 'started'])
    expect(await batch()).toEqual(['unchanged', 'left'])
  })

  it.each([
    ['gone', undefined],
    ['others', 'mark 1'],
  ])('starts it where its data are %s, so that they are loaded again', async (_, other) => {
    expect(await batch()).toEqual(['unchanged', 'left'])

    mark = other

    expect(await batch()).toEqual(['unchanged', 'started'])
    expect(await batch()).toEqual(['unchanged', 'left'])
  })

  it('starts it where a file of a table is another one, so that the ledger reads it', async () => {
    const [path = ''] = (await books.context.table('silver/events').snapshot()).files.map((file) => file.path)
    await utimes(join(books.folder, 'silver/events', decodeURIComponent(path)), 1, 1)

    expect(await batch()).toEqual(['unchanged', 'started'])
    expect(await batch()).toEqual(['unchanged', 'left'])
  })

  it('starts it for a message that became no event, and for a day that is made again', async () => {
    await books.send(['no event'])
    await books.land()
    await books.realtime()

    expect(await batch()).toEqual(['unchanged', 'started'])
    expect(await batch()).toEqual(['unchanged', 'left'])
    const day = { kind: 'range', from: '2026-11-20', to: '2026-11-21' } as const
    expect(await batch({}, { scope: day })).toEqual(['succeeded', 'started'])
  })
})
