/** Row-level writes beside what they mean: the same operation on a table and on a list of rows. */
import type { DuckDb } from '../../duckdb/duckdb.ts'
import { text } from '../../duckdb/sql-text.ts'
import { append } from '../change/append.ts'
import { deleteRows } from '../change/delete.ts'
import { insertIfAbsent } from '../change/insert-if-absent.ts'
import { type MergeOptions, merge } from '../change/merge/merge.ts'
import { overwrite } from '../change/overwrite.ts'
import { updateRows } from '../change/update.ts'
import { field, structOf } from '../schema/schema.ts'
import type { DeltaTable } from '../table.ts'
import { failureOf, rowsOf } from './write.fixture.ts'

export interface ModelRow {
  readonly id: number | null
  readonly day: string | null
  readonly word: string | null
}

export type ModelRows = readonly ModelRow[]

export const modelSchema = structOf(field('id', 'long'), field('day', 'date'), field('word', 'string'))

export interface ModelOperation {
  readonly name: string
  /** The error that it ends with, or `no failure`. */
  readonly run: (table: DeltaTable) => Promise<string>
  /** `undefined` where it must be refused. */
  readonly on: (rows: ModelRows) => ModelRows | undefined
}

/** A condition in SQL, and whether a row satisfies it. */
export interface ModelCondition {
  readonly sql: string
  readonly holds: (row: ModelRow) => boolean
}

export interface ModelOperations {
  readonly append: (added: ModelRows) => ModelOperation
  readonly overwrite: (added: ModelRows) => ModelOperation
  readonly overwriteDays: (added: ModelRows) => ModelOperation
  readonly overwriteWhere: (condition: ModelCondition, added: ModelRows) => ModelOperation
  readonly delete: (condition: ModelCondition) => ModelOperation
  readonly update: (condition: ModelCondition, change: ModelChange) => ModelOperation
  readonly upsert: (source: ModelRows) => ModelOperation
  /** Takes out what matches and has the word `gone`, marks what the source lacks in `day`, inserts no null. */
  readonly sync: (source: ModelRows, day: string) => ModelOperation
  readonly insertIfAbsent: (source: ModelRows) => ModelOperation
}

/** The operations, on `duckdb`. */
export function modelOperations(duckdb: DuckDb): ModelOperations {
  const outcome = (work: Parameters<typeof duckdb.use>[0]): Promise<string> => failureOf(duckdb.use(work))
  return {
    append: (added) => ({
      name: `append ${shown(added)}`,
      run: (table) => outcome((session) => append(table, { session, select: selectOf(added) })),
      on: (rows) => [...rows, ...added],
    }),

    overwrite: (added) => ({
      name: `overwrite with ${shown(added)}`,
      run: (table) => outcome((session) => overwrite(table, { session, select: selectOf(added) })),
      on: () => added,
    }),

    overwriteDays: (added) => ({
      name: `overwrite days with ${shown(added)}`,
      run: (table) =>
        outcome((session) =>
          overwrite(table, { session, select: selectOf(added) }, { replace: 'partitions' }),
        ),
      on: (rows) => [...rows.filter(({ day }) => !added.some((row) => row.day === day)), ...added],
    }),

    overwriteWhere: ({ sql, holds }, added) => ({
      name: `overwrite ${sql} with ${shown(added)}`,
      run: (table) =>
        outcome((session) =>
          overwrite(table, { session, select: selectOf(added) }, { replace: { where: sql } }),
        ),
      on: (rows) => (added.every(holds) ? [...rows.filter((row) => !holds(row)), ...added] : undefined),
    }),

    delete: ({ sql, holds }) => ({
      name: `delete ${sql}`,
      run: (table) => outcome((session) => deleteRows(table, session, { where: sql })),
      on: (rows) => rows.filter((row) => !holds(row)),
    }),

    update: ({ sql, holds }, { set, to }) => ({
      name: `update ${sql} set ${JSON.stringify(set)}`,
      run: (table) => outcome((session) => updateRows(table, session, { set, where: sql })),
      on: (rows) => rows.map((row) => (holds(row) ? to(row) : row)),
    }),

    upsert: (source) => ({
      name: `upsert ${shown(source)}`,
      run: (table) => outcome(mergeOf(table, source, {})),
      on: (rows) => {
        if (rows.some((row) => matching(source, row).length > 1)) return undefined
        return [
          ...rows.map((row) => matching(source, row)[0] ?? row),
          ...source.filter((row) => matching(rows, row).length === 0),
        ]
      },
    }),

    sync: (source, day) => ({
      name: `sync ${day} ${shown(source)}`,
      run: (table) =>
        outcome(
          mergeOf(table, source, {
            matched: [
              { kind: 'delete', and: `s.word = 'gone'` },
              { kind: 'update', set: { word: 's.word' }, and: 't.word is distinct from s.word' },
            ],
            notMatched: [{ kind: 'insert', values: 'all', and: 's.id is not null' }],
            notMatchedBySource: [{ kind: 'update', set: { word: `'left'` }, and: `t.day = date '${day}'` }],
          }),
        ),
      on: (rows) => {
        const changing = (row: ModelRow): ModelRows =>
          matching(source, row).filter(({ word }) => word === 'gone' || word !== row.word)
        if (rows.some((row) => changing(row).length > 1)) return undefined
        return [
          ...rows.flatMap((row) => {
            const [change] = changing(row)
            if (change !== undefined) return change.word === 'gone' ? [] : [{ ...row, word: change.word }]
            const isLeft = matching(source, row).length === 0 && row.day === day
            return [isLeft ? { ...row, word: 'left' } : row]
          }),
          ...source.filter((row) => row.id !== null && matching(rows, row).length === 0),
        ]
      },
    }),

    insertIfAbsent: (source) => ({
      name: `insertIfAbsent ${shown(source)}`,
      run: (table) =>
        outcome((session) => insertIfAbsent(table, { session, select: selectOf(source) }, { key: ['id'] })),
      on: (rows) => {
        const distinct = [...new Map(source.map((row) => [JSON.stringify(row), row])).values()]
        if (new Set(distinct.map(({ id }) => id)).size < distinct.length) return undefined
        return [...rows, ...distinct.filter(({ id }) => !rows.some((row) => row.id === id))]
      },
    }),
  }

  function mergeOf(table: DeltaTable, source: ModelRows, options: Omit<MergeOptions, 'on'>) {
    return (session: Parameters<Parameters<typeof duckdb.use>[0]>[0]) =>
      merge(table, { session, select: selectOf(source) }, { on: 't.id = s.id', ...options })
  }
}

export interface ModelChange {
  readonly set: Readonly<Record<string, string>>
  readonly to: (row: ModelRow) => ModelRow
}

/** The rows of a version, as texts in order. */
export async function rowTexts(table: DeltaTable, version: number): Promise<readonly string[]> {
  const rows = await rowsOf(table, { version })
  return rows.map(({ id, day, word }) => `${String(id)} ${dayText(day)} ${String(word)}`).sort()
}

export function textsOf(rows: ModelRows): readonly string[] {
  return rows.map(({ id, day, word }) => `${String(id)} ${String(day)} ${String(word)}`).sort()
}

export function dayText(day: unknown): string {
  return day instanceof Date ? day.toISOString().slice(0, 10) : String(day)
}

function matching(rows: ModelRows, { id }: ModelRow): ModelRows {
  return id === null ? [] : rows.filter((row) => row.id === id)
}

function selectOf(rows: ModelRows): string {
  const empty = `select null::bigint as id, null::date as day, null::varchar as word where false`
  const literal = (value: string | null): string => (value === null ? 'null' : text(value))
  const selects = rows.map(
    ({ id, day, word }) => `select ${String(id)}::bigint, ${literal(day)}::date, ${literal(word)}::varchar`,
  )
  return [empty, ...selects].join(' union all ')
}

function shown(rows: ModelRows): string {
  return `[${textsOf(rows).join(', ')}]`
}
