/**
 * Compares two versions of a table by a key: which rows were added, removed and changed.
 *
 * Files that both versions have are not read: their rows are equal. The key must be unique in the files that are read.
 * If it is not, the diff is refused, because nothing says which row became which.
 */

import { LakeError } from '../../base/errors.ts'
import type { IoOptions } from '../../base/io.ts'
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { identifier, text } from '../../duckdb/sql-text.ts'
import type { AddFile } from '../log/actions.ts'
import { isSameName } from '../schema/names.ts'
import { type DataType, duckDbType, type Field } from '../schema/schema.ts'
import { fileKey } from '../snapshot/replay.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { ReadableTable } from './readable-table.ts'

export interface DiffOptions extends IoOptions {
  /** Columns whose values identify a row. Null is a value like any other. */
  readonly key: readonly string[]
  /** Columns that are not compared. */
  readonly skip?: readonly string[]
  /** Floating point numbers are equal if they differ by at most this part of the larger one. Default 0. */
  readonly tolerance?: number
}

export interface ColumnDiff {
  readonly column: string
  /** Rows that both versions have. */
  readonly compared: number
  /** Those of them whose value differs. */
  readonly changed: number
}

export interface Diff {
  readonly added: number
  readonly removed: number
  readonly changed: number
  /** Of each column that was compared; empty if the log does not say how many rows the older version has. */
  readonly columns: readonly ColumnDiff[]
  /**
   * A SELECT, good in the session until the next diff: the key's columns; `change` (`added`, `removed`, `changed`);
   * for each value that changed its `column`, `before` and `after` as texts, for other rows `column` null and the
   * row as JSON. In the order of the key.
   */
  readonly select: string
}

const table = 'lake_diff'
const resultColumns = ['change', 'column', 'before', 'after']

/**
 * @throws LakeError `COLUMN_MISSING`; `SCHEMA_MISMATCH` for a key that is not in both versions or has the name of a
 * column of ours; `CONSTRAINT_VIOLATED` naming a key that two rows of a version have.
 */
export async function diffVersions(
  session: DuckDbSession,
  of: ReadableTable,
  before: Snapshot,
  after: Snapshot,
  { key, skip = [], tolerance = 0, signal }: DiffOptions,
): Promise<Diff> {
  const [keyFields, allFields] = fieldsOf(of, before, after, key)
  const valueFields = withoutSkipped(of, allFields, skip)
  const [left, right] = [
    await onlyIn(session, of, before, after, { signal }),
    await onlyIn(session, of, after, before, { signal }),
  ]
  const keys = keyFields.map(({ name }) => identifier(name))
  // Before the rows are put together: where no key were one that would be the square of them.
  await requireUnique(session, right, keys, `${of.uri}, version ${after.version}`, { signal })
  const same = keys.map((name) => `a.${name} is not distinct from b.${name}`).join(' and ')
  const sides = valueFields.map((field) => compared(field, tolerance))
  const differs = sides.map((side) => side.differs).join(' or ') || 'false'
  const changes = `list_filter([${sides.map((side) => side.change).join(', ')}]::STRUCT(name VARCHAR, was VARCHAR, "is" VARCHAR)[], lambda c: c is not null)`
  await session.run(
    `create or replace temporary table ${table} as
     select ${keys.map((name) => `case when b.lake_here then b.${name} else a.${name} end as ${name}`).join(', ')},
       case when a.lake_here is null then 'added' when b.lake_here is null then 'removed' else 'changed' end as lake_change,
       case when a.lake_here and b.lake_here then ${changes} else [null] end as lake_changes,
       case when b.lake_here is null then ${rowJson('a', before)} end as lake_was,
       case when a.lake_here is null then ${rowJson('b', after)} end as lake_is
     from (select *, true as lake_here from (${left})) as a
     full outer join (select *, true as lake_here from (${right})) as b on ${same}
     where a.lake_here is null or b.lake_here is null or ${differs}`,
    { signal },
  )
  const counts = new Map(
    (
      await session.rows(`select lake_change as change, count(*) as rows from temp.${table} group by all`, {
        signal,
      })
    ).map(({ change, rows }) => [String(change), Number(rows)]),
  )
  const [added = 0, removed = 0, changed = 0] = ['added', 'removed', 'changed'].map((kind) =>
    counts.get(kind),
  )
  if (!(await isUniqueBefore(session, { left, right, keys, added, removed, signal }))) {
    await requireUnique(session, left, keys, `${of.uri}, version ${before.version}`, { signal })
  }
  return {
    added,
    removed,
    changed,
    columns: await columnDiffs(session, valueFields, before.numRecords, removed, { signal }),
    select: `select ${keys.join(', ')}, lake_change as "change", c.name as "column", coalesce(c.was, lake_was) as "before", coalesce(c."is", lake_is) as "after" from (select *, unnest(lake_changes) as c from temp.${table}) order by ${[...keys, '"column"'].join(', ')}`,
  }
}

/**
 * Whether no two rows of `left` have the same key, where that is so of `right`: a row there that two of them have
 * become was counted twice.
 */
async function isUniqueBefore(
  session: DuckDbSession,
  {
    left,
    right,
    keys,
    added,
    removed,
    signal,
  }: IoOptions & {
    readonly left: string
    readonly right: string
    readonly keys: readonly string[]
    readonly added: number
    readonly removed: number
  },
): Promise<boolean> {
  const row = await session.row(
    `select (select count(*) from (${left})) - ${removed} = (select count(*) from (${right})) - ${added}
       and not exists (select 1 from temp.${table} where lake_change = 'removed' group by ${keys.join(', ')} having count(*) > 1) as is_unique`,
    { signal },
  )
  return row['is_unique'] === true
}

/** The rows of files that `snapshot` has and `other` has not. */
async function onlyIn(
  session: DuckDbSession,
  of: ReadableTable,
  snapshot: Snapshot,
  other: Snapshot,
  { signal }: IoOptions,
): Promise<string> {
  const elsewhere = new Set(other.files.map(fileKey))
  const files = snapshot.files.filter((file: AddFile) => !elsewhere.has(fileKey(file)))
  return of.scan(session, snapshot, { files, signal })
}

/** SQL over the rows `a` of before and `b` of after: whether a value differs, and how it changed. */
function compared(
  { name, before: was, after: is }: ValueField,
  tolerance: number,
): {
  readonly differs: string
  readonly change: string
} {
  const [old, now] = [was && `a.${identifier(name)}`, is && `b.${identifier(name)}`].map(
    (value) => value ?? 'null',
  )
  const [oldText, nowText] = [textSql(old ?? 'null', was), textSql(now ?? 'null', is)]
  const isAlike = was === undefined || is === undefined || duckDbType(was) === duckDbType(is)
  const isDistinct = isAlike ? `${old} is distinct from ${now}` : `${oldText} is distinct from ${nowText}`
  const isNear =
    tolerance > 0 && isFloating(was) && isFloating(is)
      ? `coalesce(abs(${old} - ${now}) <= ${tolerance} * greatest(abs(${old}), abs(${now})), false)`
      : 'false'
  const differs = `(${isDistinct} and not ${isNear})`
  return {
    differs,
    change: `case when ${differs} then struct_pack(name := ${text(name)}, was := ${oldText}, "is" := ${nowText}) end`,
  }
}

const isFloating = (type: DataType | undefined): boolean => type === 'double' || type === 'float'

/** @throws LakeError `COLUMN_MISSING` */
function withoutSkipped(
  { uri }: ReadableTable,
  fields: readonly ValueField[],
  skip: readonly string[],
): readonly ValueField[] {
  const unknown = skip.find((column) => !fields.some(({ name }) => isSameName(name, column)))
  if (unknown !== undefined) {
    const names = fields.map(({ name }) => name).join(', ')
    throw new LakeError(
      'COLUMN_MISSING',
      `${uri}: no column ${unknown} to skip; beside the key it has ${names}`,
    )
  }
  return fields.filter(({ name }) => !skip.some((column) => isSameName(name, column)))
}

async function columnDiffs(
  session: DuckDbSession,
  fields: readonly ValueField[],
  rowsBefore: number | undefined,
  removed: number,
  { signal }: IoOptions,
): Promise<readonly ColumnDiff[]> {
  if (rowsBefore === undefined) return []
  const rows = await session.rows(
    `select c.name as name, count(*) as n from (select unnest(lake_changes) as c from temp.${table}) where c is not null group by all`,
    { signal },
  )
  const changes = new Map(rows.map(({ name, n }) => [String(name), Number(n)]))
  return fields.map(({ name }) => ({
    column: name,
    compared: rowsBefore - removed,
    changed: changes.get(name) ?? 0,
  }))
}

interface ValueField {
  readonly name: string
  /** Its types, where the version has it. */
  readonly before: DataType | undefined
  readonly after: DataType | undefined
}

function fieldsOf(
  { uri }: ReadableTable,
  before: Snapshot,
  after: Snapshot,
  key: readonly string[],
): readonly [readonly Field[], readonly ValueField[]] {
  if (key.length === 0)
    throw new LakeError('COLUMN_MISSING', `${uri}: expected a column for the key, got none`)
  const [then, now] = [before.schema.fields, after.schema.fields]
  const keyFields = key.map((column) => {
    const found = now.find(({ name }) => isSameName(name, column))
    if (found === undefined) {
      const names = now.map(({ name }) => name).join(', ')
      throw new LakeError('COLUMN_MISSING', `${uri}: no column ${column}; it has ${names}`)
    }
    const wasThere = then.some(({ name }) => name === found.name)
    if (wasThere && !resultColumns.includes(found.name.toLowerCase())) return found
    const why = wasThere ? 'has the name of a column of the result' : `is not in version ${before.version}`
    throw new LakeError('SCHEMA_MISMATCH', `${uri}: key ${found.name} ${why}`)
  })
  const names = new Set([...now, ...then].map(({ name }) => name))
  for (const { name } of keyFields) names.delete(name)
  const typeIn = (fields: readonly Field[], name: string): DataType | undefined =>
    fields.find((each) => each.name === name)?.type
  return [
    keyFields,
    [...names].map((name) => ({ name, before: typeIn(then, name), after: typeIn(now, name) })),
  ]
}

async function requireUnique(
  session: DuckDbSession,
  select: string,
  keys: readonly string[],
  where: string,
  { signal }: IoOptions,
): Promise<void> {
  const [found] = await session.rows(
    `select ${keys.join(', ')} from (${select}) group by all having count(*) > 1 limit 1`,
    { signal },
  )
  if (found === undefined) return
  const values = Object.entries(found).map(([name, value]) => `${name} = ${String(value)}`)
  throw new LakeError('CONSTRAINT_VIOLATED', `${where}: several rows have the key ${values.join(', ')}`, {
    details: { fault: 'key-not-unique' },
  })
}

function rowJson(side: 'a' | 'b', { schema }: Snapshot): string {
  const parts = schema.fields.map(
    ({ name, type }) =>
      `${identifier(name)} := ${type === 'binary' ? `to_base64(${side}.${identifier(name)})` : `${side}.${identifier(name)}`}`,
  )
  return `to_json(struct_pack(${parts.join(', ')}))::varchar`
}

/** A value as JSON shows it. */
function textSql(value: string, type: DataType | undefined): string {
  if (type === undefined) return 'null::varchar'
  if (type === 'binary') return `to_base64(${value})`
  if (type === 'timestamp') return `strftime(${value} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')`
  if (type === 'timestamp_ntz') return `strftime(${value}, '%Y-%m-%dT%H:%M:%S.%f')`
  return typeof type === 'string' ? `${value}::varchar` : `to_json(${value})::varchar`
}
