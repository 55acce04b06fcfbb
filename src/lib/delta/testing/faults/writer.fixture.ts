/**
 * A writer that runs as a process of its own until it is killed: by whoever started it, or by itself at a named
 * point. Each of its rows is of one application version, so that a lost or a doubled one can be told.
 *
 * `node writer.js '{"path": …, "name": …, "kill": …}'`; each acknowledged version is a line, `!POINT` its last one.
 */
import { writeSync } from 'node:fs'
import files from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { openDuckDb } from '../../../duckdb/duckdb.ts'
import { HookedStore, type StoreCall } from '../../../storage/store.hooked.ts'
import { openLocalStore } from '../../../storage/store.local.ts'
import { append } from '../../change/append.ts'
import { insertIfAbsent } from '../../change/insert-if-absent.ts'
import { merge } from '../../change/merge/merge.ts'
import { overwrite } from '../../change/overwrite.ts'
import { optimize } from '../../maintain/optimize.ts'
import { field, structOf } from '../../schema/schema.ts'
import { DeltaTable } from '../../table.ts'
import { crashPoints, type WriterTask } from './writer-task.fixture.ts'

const task = JSON.parse(process.argv[2] ?? '') as WriterTask
const point = crashPoints.find((each) => each === task.kill)
let operation = ''

function reach(...names: readonly string[]): void {
  if (point === undefined || !names.includes(point)) return
  writeSync(1, `!${point}\n`)
  process.kill(process.pid, 'SIGKILL')
}

const { link, rename } = files
files.link = async (from, to) => {
  reach('before link')
  await link(from, to)
  reach('after link')
}
files.rename = async (from, to) => {
  if (String(to).endsWith('.checkpoint.parquet')) reach('checkpoint: before rename')
  await rename(from, to)
}
syncBuiltinESMExports()

const isCommit = (call: StoreCall, key: string): boolean =>
  call === 'putIfAbsent' && key.startsWith('_delta_log/')
const store = new HookedStore(openLocalStore(task.path), {
  before: (call, key) => {
    if (call === 'publish') reach('before publish')
    if (isCommit(call, key)) reach('between publish and commit', `${operation}: between publish and commit`)
    if (key.endsWith('_last_checkpoint') && call === 'put') reach('checkpoint: between file and hint')
  },
  after: (call, key) => {
    if (isCommit(call, key)) reach('after commit', `${operation}: after commit`)
    if (key.endsWith('_last_checkpoint') && call === 'put') reach('checkpoint: after hint')
  },
})

const duckdb = await openDuckDb({ threads: 1 })
const table = new DeltaTable({ store, duckdb })
await table.createIfMissing({
  schema: structOf(field('name', 'string'), field('kind', 'string'), field('n', 'long')),
  partitionBy: ['kind'],
})
await duckdb.use(async (session) => {
  const { name } = task
  const select = (kind: string, n: number): string => `select '${name}' as name, '${kind}' as kind, ${n} as n`
  /** Once, whoever is killed: the next version is the one after that which the table has. */
  const once = async (
    kind: string,
    write: (
      n: number,
      options: { readonly transaction: { appId: string; version: number } },
    ) => Promise<unknown>,
  ): Promise<void> => {
    operation = kind
    const appId = `${name}/${kind}`
    const n = ((await table.snapshot()).transactionVersion(appId) ?? 0) + 1
    await write(n, { transaction: { appId, version: n } })
    writeSync(1, `${kind} ${n}\n`)
  }
  writeSync(1, 'ready\n')
  for (let step = 0; step < task.steps; step++) {
    await once('append', (n, options) =>
      append(table, { session, select: `${select('append', n)} from range(2)` }, options),
    )
    if (step % 3 === 0) {
      await once('merge', (n, options) =>
        merge(
          table,
          { session, select: select('merge', n) },
          { on: 't.name = s.name and t.kind = s.kind', ...options },
        ),
      )
    }
    if (step % 4 === 1) {
      await once('insert', (n, options) =>
        insertIfAbsent(
          table,
          { session, select: `select 'any' as name, 'insert' as kind, ${n} as n` },
          { key: ['kind', 'n'], ...options },
        ),
      )
    }
    if (step % 4 === 2) {
      await once(`own ${name}`, (n, options) =>
        overwrite(
          table,
          { session, select: select(`own ${name}`, n) },
          { replace: 'partitions', ...options },
        ),
      )
    }
    operation = 'optimize'
    if (step % 3 === 1) await optimize(table)
    operation = 'checkpoint'
    if (step % 3 === 2) await table.checkpoint()
  }
})
duckdb[Symbol.dispose]()
