import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isLakeError } from '../../base/errors.ts'
import { formatJson } from '../../base/json.ts'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { MemoryStore } from '../../storage/store.memory.ts'
import { commitKey, version } from '../log/log-path.ts'
import { selectChanges, selectRows } from '../rows/select.ts'
import { inlineDeletionVector } from '../snapshot/deletion-vector.ts'
import { RowSet } from '../snapshot/row-set.ts'
import { DeltaTable } from '../table.ts'
import { randomOf } from './random.fixture.ts'
import { withFeatures, writeRawFile } from './raw-table.fixture.ts'

const seed = Number(process.env['LAKE_FUZZ_SEED'] ?? Date.now() % 1_000_000_007)
/** Rows are read of one log in so many: that is the engine's time, not ours. */
const readOneIn = 20

let duckdb: DuckDb
let store: MemoryStore
type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

const odd: readonly Json[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  '',
  ' ',
  '-1',
  '../x',
  '%',
  '%ff',
  '\ud800',
  '\uFEFF',
  '__proto__',
  'constructor',
  'struct',
  'decimal(99,9)',
  '{"type":"struct","fields":[null]}',
  '{"type":"struct","fields":[{"name":"n","type":{"type":"array"},"metadata":3}]}',
  '['.repeat(20_000),
  [],
  [null],
  [{}],
  {},
  { a: 1 },
  { toString: null },
]

const names = ['', 'constructor', 'toString', 'path', 'type', 'stats', 'add', 'commitInfo']

const schema = formatJson({
  type: 'struct',
  fields: [
    {
      name: 'n',
      type: 'long',
      nullable: true,
      metadata: { 'delta.typeChanges': [{ fromType: 'integer', toType: 'long' }] },
    },
    {
      name: 's',
      type: { type: 'struct', fields: [{ name: 'x', type: 'decimal(10,2)', nullable: true, metadata: {} }] },
      nullable: true,
      metadata: {},
    },
    {
      name: 'l',
      type: { type: 'array', elementType: 'string', containsNull: true },
      nullable: true,
      metadata: {},
    },
    {
      name: 'p',
      type: 'string',
      nullable: true,
      metadata: { 'delta.columnMapping.id': 4, 'delta.columnMapping.physicalName': 'p' },
    },
  ],
})

/** One of each action, as texts of JSON; the file named is there. */
async function soundLog(): Promise<readonly (readonly Json[])[]> {
  const file = await writeRawFile(
    store,
    duckdb,
    'a.parquet',
    `select 1::bigint as n, {'x': 1.5::decimal(10,2)} as s, ['a'] as l from range(2)`,
    {
      partitionValues: { p: 'a' },
      stats: '{"numRecords":2,"minValues":{"n":1,"s":{"x":1.50}},"maxValues":{"n":1},"nullCount":{"n":0}}',
      deletionVector: inlineDeletionVector(RowSet.of([1])),
    },
  )
  const { deletionVector: _, ...whole } = file
  const actions = [
    [
      {
        commitInfo: {
          timestamp: 1,
          operation: 'WRITE',
          operationParameters: { mode: 'Append' },
          inCommitTimestamp: 5,
        },
      },
      { protocol: withFeatures('deletionVectors', 'typeWidening', 'columnMapping') },
      {
        metaData: {
          id: 'x',
          format: { provider: 'parquet', options: {} },
          schemaString: schema,
          partitionColumns: ['p'],
          configuration: { 'delta.enableInCommitTimestamps': 'true', 'delta.columnMapping.mode': 'name' },
          createdTime: 1,
        },
      },
      { add: whole },
      { txn: { appId: 'a', version: 3, lastUpdated: 1 } },
      { domainMetadata: { domain: 'd', configuration: '{}', removed: false } },
    ],
    [
      { commitInfo: { timestamp: 2, operation: 'DELETE', inCommitTimestamp: 6 } },
      {
        remove: {
          path: file.path,
          dataChange: true,
          deletionTimestamp: 2,
          partitionValues: { p: 'a' },
          size: 1,
        },
      },
      { add: file },
    ],
    [
      { commitInfo: { timestamp: 3, operation: 'UPDATE', inCommitTimestamp: 7 } },
      { cdc: { path: file.path, partitionValues: { p: 'a' }, size: 1, dataChange: false } },
    ],
  ]
  return JSON.parse(formatJson(actions)) as Json[][]
}

/** A copy of the value in which a place or two hold something else, or nothing. */
function mutated(value: Json, random: (below: number) => number): Json {
  const copy = structuredClone(value)
  const places: { readonly of: Json[] | { [name: string]: Json }; readonly at: string }[] = []
  const walk = (of: Json): void => {
    if (typeof of !== 'object' || of === null) return
    for (const [at, inner] of Object.entries(of)) {
      places.push({ of, at })
      walk(inner)
    }
  }
  walk(copy)
  for (let left = 1 + random(2); left > 0; left--) {
    const { of, at } = places[random(places.length)] ?? { of: [], at: '0' }
    const instead = structuredClone(odd[random(odd.length)] ?? null)
    const before: Json = Array.isArray(of) ? (of[Number(at)] ?? null) : (of[at] ?? null)
    const isJson = typeof before === 'string' && before.startsWith('{') && random(3) > 0
    if (Array.isArray(of)) of[Number(at)] = instead
    // A text of JSON is changed within, as well as whole.
    else if (isJson) of[at] = JSON.stringify(mutated(JSON.parse(before) as Json, random))
    else if (random(4) === 0) delete of[at]
    else of[random(4) === 0 ? (names[random(names.length)] ?? '') : at] = instead
  }
  return copy
}

async function readAll(withRows: boolean): Promise<void> {
  const table = new DeltaTable({ store, duckdb })
  for await (const entry of table.history()) formatJson(entry)
  const snapshot = await table.snapshot()
  formatJson([snapshot.transactions, snapshot.numRecords ?? 0, snapshot.sizeBytes, snapshot.files])
  if (!withRows) return
  await duckdb.use(async (session) => {
    await session.rows(await selectRows(session, table, snapshot, { where: `n > 0 and p = 'a'` }))
    await session.rows(await selectChanges(session, table, snapshot, { from: 0 }))
  })
}

/** `undefined`, or what is thrown where that is no error of ours, or says that we are at fault. */
async function unexpected(work: Promise<void>): Promise<unknown> {
  try {
    await work
    return undefined
  } catch (error) {
    return isLakeError(error) && error.code !== 'BUG' ? undefined : error
  }
}

/** @param logs How many of them. */
export function describeFuzzedLogs({ logs }: { readonly logs: number }): void {
  beforeAll(async () => {
    duckdb = await openDuckDb({ threads: 1 })
    store = await MemoryStore.open()
  })
  afterAll(async () => {
    await store[Symbol.asyncDispose]()
    duckdb[Symbol.dispose]()
  })

  describe('a log in which places hold something else', () => {
    it(`is read, or refused with an error of ours (LAKE_FUZZ_SEED=${seed})`, {
      timeout: 120_000,
    }, async () => {
      const random = randomOf(seed)
      const log = await soundLog()
      const put = (commits: readonly Json[][] | Json): Promise<unknown> =>
        Promise.all(
          (commits as Json[][]).map((actions, at) =>
            store.put(
              commitKey(version(at)),
              Buffer.from(actions.map((action) => `${JSON.stringify(action)}\n`).join('')),
            ),
          ),
        )
      await put(structuredClone(log) as Json[][])
      await readAll(true)

      const failures: string[] = []
      for (let index = 0; index < logs; index++) {
        const at = random(log.length)
        const commits = log.map((actions, each) =>
          each === at ? (mutated([...actions], random) as Json[]) : [...actions],
        )
        await put(commits)
        const failure = await unexpected(readAll(index % readOneIn === 0))
        if (failure === undefined) continue
        const stack = failure instanceof Error ? failure.stack : String(failure)
        failures.push(`log ${index}: ${JSON.stringify(commits[at]).slice(0, 3_000)}: ${stack}`)
      }
      expect(failures).toEqual([])
    })
  })
}
