/** Tables between us and Spark with Delta, both ways. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../duckdb/duckdb.ts'
import { openLocalStore } from '../../storage/store.local.ts'
import { DeltaTable } from '../table.ts'
import { ourChanges, ourRows, Peer, sorted } from './peer.fixture.ts'
import { type Told, tell, versionsOf, wholeHistory } from './stories.fixture.ts'

const timeout = 600_000

let root: string
let duckdb: DuckDb
let spark: Peer
let told: readonly Told[] = []
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lake-spark-'))
  duckdb = await openDuckDb({ threads: 2 })
  spark = await Peer.start(process.env['SPARK_COMMAND'])
}, timeout)
afterAll(async () => {
  await spark[Symbol.asyncDispose]()
  duckdb[Symbol.dispose]()
  await rm(root, { recursive: true, force: true })
})

async function tellOnce(): Promise<void> {
  if (told.length === 0) told = await tell(duckdb, root)
}

async function theirRows(path: string, version?: number): Promise<readonly string[]> {
  const at = version === undefined ? '' : ` version as of ${version}`
  return sorted(await spark.ask(`select * from delta.\`${path}\`${at}`))
}

/** A change data feed, without the times of the commits. */
async function theirChanges(path: string): Promise<readonly string[]> {
  const found = await spark.ask(`select * from table_changes_by_path('${path}', 0)`)
  return sorted(found.map(({ _commit_timestamp, ...row }) => row))
}

function tableAt(path: string): { readonly table: DeltaTable } & AsyncDisposable {
  const store = openLocalStore(path)
  return {
    table: new DeltaTable({ store, duckdb }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}

describe('Spark reads what we write', () => {
  beforeAll(tellOnce, timeout)

  it.each(['created from rows', 'partitions', 'mapped', 'widened', 'feed', 'vectors and V2 checkpoints'])(
    'at every version, with its history: %s',
    async (name) => {
      const { path, version: newest } = wholeHistory(told, name)
      for (const { version, rows } of versionsOf(told, name)) {
        if (version <= newest) {
          expect.soft([version, await theirRows(path, version)]).toEqual([version, rows])
        }
      }
      expect(await spark.ask(`describe history delta.\`${path}\``)).toHaveLength(newest + 1)
    },
    timeout,
  )
})

const table = 'delta.`PATH`'

const theirs: Readonly<Record<string, readonly string[]>> = {
  'evolution and V2 checkpoints': [
    `create table ${table} (id int, word string, who struct<name: string, age: int>, list array<struct<x: int>>) using delta
      tblproperties ('delta.columnMapping.mode' = 'name', 'delta.checkpointPolicy' = 'v2', 'delta.checkpointInterval' = '3',
      'delta.enableTypeWidening' = 'true', 'delta.enableDeletionVectors' = 'true')`,
    `insert into ${table} values (1, 'a', struct('n', 1), array(struct(1))), (2, 'b', null, null), (3, null, struct(null, 3), array())`,
    `alter table ${table} rename column word to \`the word\``,
    `alter table ${table} rename column who.age to years`,
    `alter table ${table} add columns (more decimal(10,2), who.mail string)`,
    `insert into ${table} values (4, 'd', struct('m', 4, 'x@y'), array(struct(4)), 1.25)`,
    `alter table ${table} alter column id type long`,
    `alter table ${table} alter column more type decimal(20,4)`,
    `insert into ${table} values (5000000000, 'e', null, null, 123456789.0001)`,
    `alter table ${table} drop column \`the word\``,
    `alter table ${table} add constraint positive check (id > 0)`,
    `delete from ${table} where id = 3`,
    `update ${table} set who.years = 10 where id = 1`,
    `optimize ${table} zorder by (id)`,
  ],
  'mapping by id, defaults and row tracking': [
    `create table ${table} (id long, at timestamp, day date, word string default 'w') using delta partitioned by (day)
      tblproperties ('delta.columnMapping.mode' = 'id', 'delta.feature.allowColumnDefaults' = 'supported',
      'delta.enableRowTracking' = 'true', 'delta.enableInCommitTimestamps' = 'true')`,
    `insert into ${table} (id, at, day) values (1, timestamp'2026-01-02 03:04:05Z', date'2026-01-02'), (2, null, null)`,
    `insert into ${table} values (3, timestamp'1969-12-31 23:59:59.999999Z', date'1969-12-31', 'x')`,
    `update ${table} set word = 'y' where id = 1`,
  ],
  'liquid clustering': [
    `create table ${table} (id long, word string) using delta cluster by (id)`,
    `insert into ${table} select id, concat('w', id) from range(100)`,
    `optimize ${table}`,
    `delete from ${table} where id % 7 = 0`,
  ],
}

describe('we read what Spark writes', () => {
  it.each(Object.keys(theirs))(
    'at every version: %s',
    async (name) => {
      const path = join(root, `theirs-${name.replaceAll(/\W+/g, '-')}`)
      for (const statement of theirs[name] ?? []) await spark.ask(statement.replaceAll('PATH', path))
      await using ours = tableAt(path)
      const { version: newest } = await ours.table.snapshot()
      for (let version = 0; version <= newest; version++) {
        expect
          .soft([version, await ourRows(ours.table, version)])
          .toEqual([version, await theirRows(path, version)])
      }
      expect(newest).toBeGreaterThanOrEqual((theirs[name] ?? []).length - 1)
    },
    timeout,
  )

  it(
    'as a feed of changes',
    async () => {
      const path = join(root, 'their-feed')
      for (const statement of [
        `create table ${table} (id long, p string) using delta partitioned by (p)
        tblproperties ('delta.enableChangeDataFeed' = 'true', 'delta.enableDeletionVectors' = 'true')`,
        `insert into ${table} values (1, 'a'), (2, 'a'), (3, 'b'), (4, 'b')`,
        `delete from ${table} where id = 1`,
        `update ${table} set id = id + 10 where id = 2`,
        `merge into ${table} t using (select 3L id, 'c' p union all select 9, 'd') s on t.id = s.id
        when matched then update set * when not matched then insert *`,
        `delete from ${table} where p = 'b'`,
        `insert overwrite ${table} values (7, 'z')`,
      ]) {
        await spark.ask(statement.replaceAll('PATH', path))
      }
      await using ours = tableAt(path)

      expect(await ourChanges(ours.table, 0)).toEqual(await theirChanges(path))
    },
    timeout,
  )
})
