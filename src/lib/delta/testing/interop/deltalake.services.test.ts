/** Tables between us and delta-rs, both ways, and both at once. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { openLocalStore } from '../../../storage/store.local.ts'
import { append } from '../../change/append.ts'
import { updateRows } from '../../change/update.ts'
import type { StringMap } from '../../protocol/metadata.ts'
import { misjudgedConditions } from '../../rows/engine-pruning.fixture.ts'
import { field, structOf } from '../../schema/schema.ts'
import { DeltaTable } from '../../table.ts'
import { ourChanges, ourRows, Peer, sorted } from './peer.fixture.ts'
import { checkpointed, storyNames, type Told, tell, versionsOf, wholeHistory } from './stories.fixture.ts'

let root: string
let duckdb: DuckDb
let rust: Peer
let told: readonly Told[]
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lake-deltalake-'))
  duckdb = await openDuckDb({ threads: 1 })
  rust = await Peer.start(process.env['DELTALAKE_COMMAND'])
  told = await tell(duckdb, root)
})
afterAll(async () => {
  await rust[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
  await rm(root, { recursive: true, force: true })
})

/** What delta-rs 1.6.6 does not read, by its own words. */
const unread: Readonly<Record<string, string>> = {
  widened: 'Unsupported table features required: [TypeWidening]',
}

const read = storyNames.filter((name) => unread[name] === undefined)

function reading(path: string, version?: number): string {
  const table = `DeltaTable(${JSON.stringify(path)}, version=${version ?? 'None'})`
  return `answer = pa.table(deltalake.QueryBuilder().register('t', ${table}).execute('select * from t'))`
}

async function theirRows(path: string, version?: number): Promise<readonly string[]> {
  return sorted(await rust.ask(reading(path, version)))
}

/** A change data feed, without the times of the commits. */
async function theirChanges(path: string): Promise<readonly string[]> {
  const found = await rust.ask(
    `answer = pa.table(DeltaTable(${JSON.stringify(path)}).load_cdf(starting_version=0, allow_out_of_range=True))`,
  )
  return sorted(
    found.map(({ _commit_timestamp, _commit_version = null, ...row }) => ({
      ...row,
      _commit_version: String(_commit_version),
    })),
  )
}

function tableAt(path: string): { readonly table: DeltaTable } & AsyncDisposable {
  const store = openLocalStore(path)
  return {
    table: new DeltaTable({ store, duckdb }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}

describe('delta-rs reads what we write', () => {
  it.each(read)('after each operation: %s', async (name) => {
    for (const { step, path, rows, story } of told) {
      if (story === name) expect([step, await theirRows(path)]).toEqual([step, rows])
    }
  })

  it.each(read)('from a checkpoint of ours after each operation, older commits gone: %s', async (name) => {
    for (const each of told.filter(({ story }) => story === name)) {
      const found = await theirRows(await checkpointed(duckdb, each))
      expect([each.step, found]).toEqual([each.step, each.rows])
    }
  })

  it.each(read)('at every version: %s', async (name) => {
    const { path, version: newest } = wholeHistory(told, name)
    for (const { version, rows } of versionsOf(told, name)) {
      if (version <= newest) expect([version, await theirRows(path, version)]).toEqual([version, rows])
    }
  })

  it.each(Object.entries(unread))('or refuses by name: %s', async (name, reason) => {
    for (const { path } of told.filter(({ story }) => story === name)) {
      expect(await rust.refusalOf(reading(path))).toContain(reason)
    }
  })

  it('as a feed of changes', async () => {
    const { path } = wholeHistory(told, 'feed')
    await using ours = tableAt(path)

    expect(await theirChanges(path)).toEqual(await ourChanges(ours.table, 0))
  })
})

const rows = (from: number, to: number, part = "'p' + str(i % 3)"): string => `
rows_ = pa.Table.from_pylist([dict(
  id=i, part=${part}, i=i, s=i, b=i, f=i / 2, d={5: -0.0, 6: float('nan')}.get(i % 7, i / 10), ok=i % 2 == 0, word=None if i % 5 == 3 else 'Zoë 🦆 ' + str(i),
  raw=b'b' + bytes([i]), day=datetime.date(2026, 2, 27), at=datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.timezone.utc),
  local=datetime.datetime(2026, 1, 2, 3, 4, 5, 6), money=decimal.Decimal(str(i) + '234567890123456789.0123456789'),
  items=[i, None], who=dict(name='n', tags=['t', None]), lookup=[('k', i), ('null', None)]) for i in range(${from}, ${to})],
  schema=schema)`

/** Each makes a version at least, of the table in `path`. */
const theirs: readonly (readonly [step: string, program: string])[] = [
  [
    'create and append',
    `import datetime, decimal
from deltalake import write_deltalake
schema = pa.schema([('id', pa.int64()), ('part', pa.string()), ('i', pa.int32()), ('s', pa.int16()), ('b', pa.int8()),
  ('f', pa.float32()), ('d', pa.float64()), ('ok', pa.bool_()), ('word', pa.string()), ('raw', pa.binary()),
  ('day', pa.date32()), ('at', pa.timestamp('us', 'UTC')), ('local', pa.timestamp('us')),
  ('money', pa.decimal128(38, 10)), ('items', pa.list_(pa.int32())),
  ('who', pa.struct([('name', pa.string()), ('tags', pa.list_(pa.string()))])),
  ('lookup', pa.map_(pa.string(), pa.int64()))])
${rows(0, 12)}
write_deltalake(path, rows_, partition_by=['part'], configuration={'delta.enableChangeDataFeed': 'true'})`,
  ],
  ['append of null partitions', `${rows(12, 16, 'None')}\nwrite_deltalake(path, rows_, mode='append')`],
  ['append with odd partitions', `${rows(16, 18, "'p/ q=%é'")}\nwrite_deltalake(path, rows_, mode='append')`],
  ['delete', `DeltaTable(path).delete('id = 4')`],
  ['delete of a partition', `DeltaTable(path).delete("part = 'p2'")`],
  ['update', `DeltaTable(path).update(updates={'word': "'up'"}, predicate='id >= 12')`],
  [
    'merge',
    `${rows(10, 20, "'m'")}
(DeltaTable(path).merge(rows_, 't.id = s.id', source_alias='s', target_alias='t')
  .when_matched_delete('s.id = 13').when_matched_update({'word': "'merged'"}).when_not_matched_insert_all().execute())`,
  ],
  [
    'overwrite by condition',
    `${rows(40, 42, "'m'")}\nwrite_deltalake(path, rows_, mode='overwrite', predicate="part = 'm'")`,
  ],
  [
    'merge of schemas',
    `write_deltalake(path, pa.table({'id': pa.array([50]), 'more': pa.array(['new'])}), mode='append', schema_mode='merge')`,
  ],
  [
    'add columns',
    `DeltaTable(path).alter.add_columns(deltalake.Field('note', deltalake.schema.PrimitiveType('string')))`,
  ],
  ['check', `DeltaTable(path).alter.add_constraint({'positive': 'id >= 0'})`],
  ['properties', `DeltaTable(path).alter.set_table_properties({'delta.checkpointInterval': '50'})`],
  ['optimize', `DeltaTable(path).optimize.compact()`],
  ['z-order', `DeltaTable(path).optimize.z_order(['id'])`],
  ['checkpoint', `DeltaTable(path).create_checkpoint()`],
  ['restore', `DeltaTable(path).restore(6)`],
  [
    'overwrite',
    `${rows(60, 64, "'o'")}\nwrite_deltalake(path, rows_, mode='overwrite', schema_mode='overwrite')`,
  ],
  ['compaction of the log', `DeltaTable(path).compact_logs(2, 9)`],
]

/** Steps after which conditions are tried: each leaves files that another part of delta-rs wrote. */
const judged = ['append with odd partitions', 'z-order', 'overwrite']

describe('we read what delta-rs writes', () => {
  it('after each operation, and at every version', async () => {
    const path = join(root, 'theirs')
    await rust.ask(`path = ${JSON.stringify(path)}`)
    await using ours = tableAt(path)
    for (const [step, program] of theirs) {
      await rust.ask(program)
      expect([step, await ourRows(ours.table)]).toEqual([step, await theirRows(path)])
      if (!judged.includes(step)) continue
      const misjudged = await duckdb.use(async (session) =>
        misjudgedConditions(session, ours.table, await ours.table.snapshot(), { values: 1 }),
      )
      expect([step, misjudged]).toEqual([step, []])
    }
    const { version: newest } = await ours.table.snapshot()

    expect(newest).toBeGreaterThanOrEqual(theirs.length - 3)
    for (let version = 0; version <= newest; version++) {
      expect([version, await ourRows(ours.table, version)]).toEqual([version, await theirRows(path, version)])
    }
  })
})

describe('we read the changes that delta-rs writes', () => {
  it('as it reads them', async () => {
    const path = join(root, 'their-feed')
    await rust.ask(`
path = ${JSON.stringify(path)}
from deltalake import write_deltalake
write_deltalake(path, pa.table({'id': [1, 2, 3, 4], 'p': ['a', 'a', 'b', 'b']}), partition_by=['p'],
  configuration={'delta.enableChangeDataFeed': 'true'})
DeltaTable(path).delete('id = 1')
DeltaTable(path).update(updates={'id': 'id + 10'}, predicate='id = 2')
(DeltaTable(path).merge(pa.table({'id': [3, 9], 'p': ['c', 'd']}), 't.id = s.id', source_alias='s', target_alias='t')
  .when_matched_update_all().when_not_matched_insert_all().execute())
DeltaTable(path).delete("p = 'b'")`)
    await using ours = tableAt(path)

    expect(await ourChanges(ours.table, 0)).toEqual(await theirChanges(path))
  })
})

async function makeCounter(path: string, properties: StringMap): Promise<void> {
  await using ours = tableAt(path)
  await ours.table.createIfMissing({ schema: structOf(field('id', 'long'), field('n', 'long')), properties })
  await duckdb.use((session) => append(ours.table, { session, select: 'select 0 as id, 0 as n' }))
}

describe('delta-rs writes to our tables', () => {
  it('and we go on from there', async () => {
    const path = join(root, 'shared')
    await makeCounter(path, { 'delta.enableDeletionVectors': 'false' })
    await using ours = tableAt(path)
    const steps = [
      `write_deltalake(path, pa.table({'id': [1, 2, 3], 'n': [1, 2, 3]}), mode='append')`,
      `DeltaTable(path).delete('id = 2')`,
      `DeltaTable(path).update(updates={'n': 'n + 1'}, predicate='id = 3')`,
      `DeltaTable(path).optimize.compact()`,
      `DeltaTable(path).create_checkpoint()`,
      `DeltaTable(path).restore(2)`,
      `DeltaTable(path).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)`,
    ]
    await rust.ask(`from deltalake import write_deltalake\npath = ${JSON.stringify(path)}`)
    for (const [at, step] of steps.entries()) {
      await rust.ask(step)
      await duckdb.use((session) =>
        append(ours.table, { session, select: `select ${100 + at} as id, 0 as n` }),
      )
      await duckdb.use((session) =>
        updateRows(ours.table, session, { set: { n: 'n + 10' }, where: 'id = 0' }),
      )
      expect([step, await ourRows(ours.table)]).toEqual([step, await theirRows(path)])
    }
  })

  it('or refuses by name, where times are in the commits', async () => {
    const path = join(root, 'timed')
    await makeCounter(path, { 'delta.enableInCommitTimestamps': 'true' })
    const program = `deltalake.write_deltalake(${JSON.stringify(path)}, pa.table({'id': [1], 'n': [1]}), mode='append')`

    expect(await rust.refusalOf(program)).toContain(
      'Unsupported table features required: [InCommitTimestamp]',
    )
  })

  it('at the same time as we do, and nothing is lost', async () => {
    const path = join(root, 'race')
    await makeCounter(path, {})
    await using ours = tableAt(path)
    const rounds = 12
    // delta-rs takes appends for readers of what an update removes: it is for the caller to try again.
    const theirPart = rust.ask(`
from deltalake import write_deltalake
from deltalake.exceptions import CommitFailedError
path = ${JSON.stringify(path)}
def until_committed(write):
  while True:
    try:
      return write()
    except CommitFailedError:
      pass
for i in range(${rounds}):
  until_committed(lambda: write_deltalake(path, pa.table({'id': [1000 + i], 'n': [0]}), mode='append'))
  until_committed(lambda: DeltaTable(path).update(updates={'n': 'n + 1'}, predicate='id = 0'))`)
    const ourPart = async (): Promise<void> => {
      for (let round = 0; round < rounds; round++) {
        await duckdb.use(async (session) => {
          await append(ours.table, { session, select: `select ${2000 + round} as id, 0 as n` })
          await updateRows(ours.table, session, { set: { n: 'n + 1' }, where: 'id = 0' })
        })
      }
    }
    await Promise.all([theirPart, ourPart()])

    const added = [1000, 2000].flatMap((from) => Array.from({ length: rounds }, (_, at) => from + at))
    const expected = [{ id: '0', n: String(2 * rounds) }, ...added.map((id) => ({ id: String(id), n: '0' }))]
    expect(await ourRows(ours.table)).toEqual(sorted(expected))
    expect(await theirRows(path)).toEqual(sorted(expected))
    expect((await ours.table.snapshot()).version).toBe(1 + 4 * rounds)
  })
})
