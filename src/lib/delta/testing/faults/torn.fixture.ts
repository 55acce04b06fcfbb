/**
 * Files of a table cut short and with bits flipped: whoever reads it then gets an error, or the rows that there are.
 *
 * Some bits no reader of Parquet can judge, for neither the pages of data files nor their footers have a checksum:
 * those of values and of the number of rows are counted apart.
 */
import { randomUUID } from 'node:crypto'
import { LakeError } from '../../../base/errors.ts'
import type { DuckDb } from '../../../duckdb/duckdb.ts'
import { text } from '../../../duckdb/sql-text.ts'
import { HookedStore } from '../../../storage/store.hooked.ts'
import { MemoryStore } from '../../../storage/store.memory.ts'
import { append } from '../../change/append.ts'
import { deleteRows } from '../../change/delete.ts'
import { field, structOf } from '../../schema/schema.ts'
import { encodeDeletionVectorFile, inlineDeletionVector } from '../../snapshot/deletion-vector.ts'
import { RowSet } from '../../snapshot/row-set.ts'
import { DeltaTable } from '../../table.ts'
import { copyOf } from './faulty-store.fixture.ts'

export const tables = ['classic', 'v2'] as const

export interface TornBench {
  readonly duckdb: DuckDb
  readonly store: MemoryStore
  readonly state: State
  /** The files that a reader opens, and a `.crc` that it need not. */
  readonly keys: readonly string[]
}

/** A checkpoint, two commits after it, a deletion vector before and after it, two data files. */
export async function openTornBench(duckdb: DuckDb, checkpoint: (typeof tables)[number]): Promise<TornBench> {
  const store = await MemoryStore.open()
  const table = new DeltaTable({ store, duckdb })
  await table.createIfMissing({
    schema: structOf(field('day', 'date'), field('id', 'long'), field('word', 'string')),
    partitionBy: ['day'],
    properties: {
      'delta.enableDeletionVectors': 'true',
      ...(checkpoint === 'v2' && { 'delta.checkpointPolicy': 'v2' }),
    },
  })
  await duckdb.use(async (session) => {
    const rows = (from: number): string =>
      `select date '2026-01-01' + (i % 2)::int as day, i as id, 'word ' || i as word from range(${from}, ${from + 400}) t(i)`
    await append(table, { session, select: rows(0) })
    await withVectors(table, 'file')
    await table.checkpoint()
    await append(table, { session, select: rows(5000) })
    await deleteRows(table, session, { where: 'id % 400 = 5' })
    await withVectors(table, 'inline')
  })
  const checksum = '_delta_log/00000000000000000005.crc'
  await store.put(checksum, new TextEncoder().encode('{"numFiles":1}'))
  const opened = new Set([checksum])
  const hooked = new HookedStore(store, {
    after: (call, key) => {
      if (call === 'read' || call === 'localFile') opened.add(key)
    },
  })
  const state = await stateOf(new DeltaTable({ store: hooked, duckdb }))
  const keys = [...store.files.keys()].filter((key) => opened.has(key))
  return { duckdb, store, state, keys }
}

/** Every seventh row of each file that has no vector yet goes, as another writer would have it. */
async function withVectors(table: DeltaTable, place: 'inline' | 'file'): Promise<void> {
  const snapshot = await table.snapshot()
  const files = snapshot.files.filter(({ deletionVector }) => deletionVector === undefined)
  const sets = files.map(() => RowSet.of(Array.from({ length: 20 }, (_, index) => index * 7)))
  const stored = encodeDeletionVectorFile(sets, randomUUID())
  if (place === 'file') await table.store.put(stored.key, stored.bytes)
  const vectors = place === 'file' ? stored.vectors : sets.map(inlineDeletionVector)
  await table.commit(snapshot, {
    remove: files,
    add: files.map((file, index) => {
      const deletionVector = vectors[index]
      return { ...file, ...(deletionVector !== undefined && { deletionVector }) }
    }),
    reads: { kind: 'table' },
    operation: { name: 'DELETE' },
  })
}

interface State {
  readonly count: number
  readonly text: string
}

async function stateOf(table: DeltaTable): Promise<State> {
  const snapshot = await table.snapshot()
  const [row] = await table.duckdb.use(async (session) => {
    const select = await table.scan(session, snapshot)
    return await session.rows(
      `select count(*)::int as count, sum(hash(day, id, word))::varchar as hash from (${select})`,
    )
  })
  return { count: Number(row?.['count']), text: `${snapshot.version} ${String(row?.['hash'])}` }
}

export type Kind = 'commit' | 'checkpoint' | 'manifest' | 'sidecar' | 'vector' | 'hint' | 'checksum' | 'data'

export function kindOf(key: string): Kind {
  if (key.endsWith('_last_checkpoint')) return 'hint'
  if (key.endsWith('.crc')) return 'checksum'
  if (key.endsWith('.bin')) return 'vector'
  if (key.startsWith('_delta_log/_sidecars/')) return 'sidecar'
  if (/\.checkpoint\..*json$/.test(key)) return 'manifest'
  if (key.endsWith('.checkpoint.parquet')) return 'checkpoint'
  return key.endsWith('.json') ? 'commit' : 'data'
}

export type Damage =
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }

export function damaged(bytes: Uint8Array, damage: Damage): Uint8Array {
  if (damage.kind === 'cut') return Uint8Array.from(bytes.subarray(0, damage.at))
  return Uint8Array.from(bytes, (byte, at) => (at === damage.at ? byte ^ (1 << damage.bit) : byte))
}

/**
 * Of a data file, which has no checksum. `value`: a row of it has another value, and there are as many. `rows`: the
 * number of rows itself is another one where its footer says it.
 */
export type Finding = 'right' | 'refused' | 'value' | 'rows' | { readonly wrong: string }

/** What a fresh reader makes of the table when the bytes of one file are others. */
export async function readTorn(
  { duckdb, store, state }: TornBench,
  key: string,
  damage: Damage,
): Promise<Finding> {
  await using copy = await copyOf(store)
  const bytes = damaged(await store.read(key), damage)
  copy.files.set(key, { bytes, modifiedMs: Date.now() })
  try {
    const found = await stateOf(new DeltaTable({ store: copy, duckdb }))
    if (found.text === state.text) return 'right'
    if (kindOf(key) !== 'data' || damage.kind === 'cut') return { wrong: found.text }
    if (found.count === state.count) return 'value'
    const isOfFooter = (await footerRows(duckdb, copy, key)) !== (await footerRows(duckdb, store, key))
    return isOfFooter ? 'rows' : { wrong: found.text }
  } catch (error) {
    return error instanceof LakeError ? 'refused' : { wrong: String(error) }
  }
}

/** How many rows the row groups of a file have, as its footer says. */
async function footerRows(duckdb: DuckDb, store: MemoryStore, key: string): Promise<number> {
  const path = await store.localFile(key)
  const [row] = await duckdb.use((session) =>
    session.rows(
      `select sum(row_group_num_rows)::int as n from parquet_metadata(${text(path)}) where column_id = 0`,
    ),
  )
  return Number(row?.['n'])
}
