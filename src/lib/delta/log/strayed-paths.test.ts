import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { text } from '../../duckdb/sql-text.ts'
import { openLocalStore } from '../../storage/store.local.ts'
import type { ObjectStore } from '../../storage/store.ts'
import { append } from '../change/append.ts'
import { cloneDeep } from '../change/clone.ts'
import { vacuum } from '../maintain/vacuum.ts'
import { field, structOf } from '../schema/schema.ts'
import { inlineDeletionVector } from '../snapshot/deletion-vector.ts'
import { RowSet } from '../snapshot/row-set.ts'
import { DeltaTable } from '../table.ts'
import { createRawTable, metadataOf, withFeatures, writeRawFile } from '../testing/raw-table.fixture.ts'
import { failureOf, rowsOf } from '../testing/write.fixture.ts'
import { type Action, type AddFile, type DeletionVector, encodeActions } from './actions.ts'
import { checkpointKey, checkpointV2Key, commitKey, version } from './log-path.ts'

let duckdb: DuckDb
let root: string
let store: ObjectStore
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => {
  duckdb[Symbol.dispose]()
})
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'strayed-'))
  store = openLocalStore(join(root, 'table'))
  await mkdir(join(root, 'table', '_delta_log'), { recursive: true })
  await mkdir(join(root, 'evil'))
})
afterEach(() => rm(root, { recursive: true }))

const schema = structOf(field('n', 'long'))
const protocol = withFeatures('deletionVectors', 'v2Checkpoint')
const raw = { schema, protocol, configuration: { 'delta.enableChangeDataFeed': 'true' } }

const fileAt = (path: string, rest: Partial<AddFile> = {}): AddFile => ({
  path,
  partitionValues: {},
  size: 1,
  modificationTime: 0,
  dataChange: true,
  ...rest,
})
const vectorAt = (storageType: string, pathOrInlineDv: string): DeletionVector => ({
  ...inlineDeletionVector(RowSet.of([0])),
  storageType,
  pathOrInlineDv,
})
const uuid = '0'.repeat(20)

/** All that may be done with the table fails so; nothing beside it is touched. */
async function expectRefused(table: DeltaTable, what: RegExp): Promise<void> {
  const clone = new DeltaTable({ store: openLocalStore(join(root, 'clone')), duckdb })
  const failures = [
    await failureOf(rowsOf(table)),
    await duckdb.use((session) => failureOf(append(table, { session, select: 'select 2 as n' }))),
    await failureOf(vacuum(table, { retentionMs: 0, force: true })),
    await failureOf(cloneDeep(table, clone)),
  ]

  for (const failure of failures) expect(failure).toMatch(what)
  expect(await readdir(join(root, 'evil'))).toEqual(['x.parquet'])
  expect((await readdir(root)).sort()).toEqual(['evil', 'table'])
}

describe('a log that names files beside the table', () => {
  beforeEach(() => writeFile(join(root, 'evil', 'x.parquet'), 'not ours'))

  it.each<readonly [string, Action]>([
    ['add', { add: fileAt('../evil/x.parquet') }],
    ['add', { add: fileAt('%2e%2e/evil/x.parquet') }],
    ['remove', { remove: { path: 'a/../../evil/x.parquet', dataChange: true } }],
    ['cdc', { cdc: { path: '_change_data/../../evil/x.parquet', partitionValues: {}, size: 1 } }],
    ['add', { add: fileAt('a', { deletionVector: vectorAt('p', '../evil/x.parquet') }) }],
    ['add', { add: fileAt('a', { deletionVector: vectorAt('u', `../evil${uuid}`) }) }],
    [
      'remove',
      { remove: { path: 'a', dataChange: true, deletionVector: vectorAt('u', `../../evil${uuid}`) } },
    ],
  ])('is refused by every read and write, naming the line: %s %j', async (name, action) => {
    const table = await createRawTable(store, duckdb, raw)
    await store.put(commitKey(version(1)), encodeActions([action]))

    await expectRefused(table, new RegExp(`^LOG_CORRUPT: .*1\\.json, line 1: ${name}\\..*evil`))
  })

  it('is refused where an absolute path begins within the table', async () => {
    const table = await createRawTable(store, duckdb, raw)
    const path = `${root}/table/../evil/x.parquet`
    await store.put(commitKey(version(1)), encodeActions([{ add: fileAt(path) }]))

    expect(await failureOf(rowsOf(table))).toMatch(/^LOG_CORRUPT: .*evil/)
  })

  it('is refused in a checkpoint, before anyone asks for the files', async () => {
    const table = await createRawTable(store, duckdb, raw)
    const { format, configuration: _, ...metaData } = metadataOf(raw)
    const configuration = 'map([]::varchar[], []::varchar[])'
    const rows = [
      `select {'minReaderVersion': 3, 'minWriterVersion': 7, 'readerFeatures': ['deletionVectors'], 'writerFeatures': ['deletionVectors']} as protocol`,
      `select {'id': 'x', 'format': {'provider': ${text(format.provider)}, 'options': ${configuration}}, 'schemaString': ${text(metaData.schemaString)}, 'partitionColumns': []::varchar[], 'configuration': ${configuration}} as "metaData"`,
      `select {'path': '%2E./evil/x.parquet', 'partitionValues': ${configuration}, 'size': 1::bigint, 'modificationTime': 1::bigint, 'dataChange': true} as "add"`,
    ]
    const path = join(root, 'table', checkpointKey(version(0)))
    await duckdb.use((session) =>
      session.run(`copy (${rows.join(' union all by name ')}) to ${text(path)} (format parquet)`),
    )
    // With the commits a checkpoint that cannot be read is passed over.
    await store.delete([commitKey(version(0))])

    await expectRefused(table, /^LOG_CORRUPT: .*evil/)
  })

  it('is refused where a sidecar lies outside of the sidecars', async () => {
    const table = await createRawTable(store, duckdb, raw)
    await store.delete([commitKey(version(0))])
    for (const path of ['../../../evil/x.parquet', '%2e%2e/x.parquet', '..']) {
      const sidecar = JSON.stringify({ sidecar: { path, sizeInBytes: 1, modificationTime: 1 } })
      const actions = encodeActions([{ protocol }, { metaData: metadataOf(raw) }])
      const key = checkpointV2Key(version(0), '00000000-0000-0000-0000-000000000000')
      await store.put(key, Buffer.concat([actions, Buffer.from(`${sidecar}\n`)]))

      await expectRefused(table, /^LOG_CORRUPT: .*(?:sidecar|File path)/)
    }
  })
})

describe('cloneDeep(source, target)', () => {
  it('copies no data file into the log of the target', async () => {
    const file = await writeRawFile(store, duckdb, 'a.parquet', 'select 1::bigint as n')
    const commit = '_delta_log/00000000000000000001.json'
    const table = await createRawTable(store, duckdb, { ...raw, files: [file, fileAt(`x/../${commit}`)] })
    await store.put(commit, encodeActions([{ commitInfo: { operation: 'WRITE' } }]))
    const clone = new DeltaTable({ store: openLocalStore(join(root, 'clone')), duckdb })

    expect(await failureOf(cloneDeep(table, clone))).toMatch(/^LOG_CORRUPT: .*in the log/)
    expect(await readdir(root)).not.toContain('clone')
  })
})
