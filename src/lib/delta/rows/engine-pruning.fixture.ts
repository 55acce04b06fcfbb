/** Conditions that the engine may test against what files say of their columns, compared with the rows themselves. */
import type { DuckDbSession } from '../../duckdb/duckdb.ts'
import { identifier, text } from '../../duckdb/sql-text.ts'
import { type DataType, duckDbType, type Field } from '../schema/schema.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import type { DeltaTable } from '../table.ts'
import { selectRows } from './select.ts'

export interface ConditionsOnValues {
  /** Different values of a column that conditions are made of. */
  readonly values: number
}

/**
 * The conditions by which a snapshot gives other rows than it holds, each with both counts: on some values of each
 * column and each field of a struct, by comparison, by list and by join. Empty where all is right.
 */
export async function misjudgedConditions(
  session: DuckDbSession,
  table: DeltaTable,
  snapshot: Snapshot,
  { values }: ConditionsOnValues,
): Promise<readonly string[]> {
  const scan = await table.scan(session, snapshot)
  await session.run(`create or replace temporary table all_rows as ${scan}`)
  const misjudged: string[] = []
  const compare = async (where: string, select: string): Promise<void> => {
    const [found, expected] = [
      await countOf(session, select),
      await countOf(session, `from all_rows where ${where}`),
    ]
    if (found !== expected) misjudged.push(`${where}: ${found} of ${expected}`)
  }
  for (const { sql, type } of snapshot.schema.fields.flatMap((field) => comparable(field))) {
    const literals = await literalsOf(session, sql, type, values)
    const conditions = literals.flatMap((literal) => [
      ...['=', '<>', '<', '<=', '>', '>='].map((operator) => `${sql} ${operator} ${literal}`),
      `${sql} in (${literal}, ${literals[0] ?? literal})`,
    ])
    for (const where of [`${sql} is null`, `${sql} is not null`, ...conditions]) {
      await compare(where, await selectRows(session, table, snapshot, { where }))
    }
    if (literals.length === 0) continue
    const keys = `(select unnest([${literals.join(', ')}]) as joined_key)`
    await compare(`${sql} in (from ${keys})`, `select 1 from (${scan}) join ${keys} on ${sql} = joined_key`)
  }
  return misjudged
}

async function countOf(session: DuckDbSession, select: string): Promise<number> {
  return Number((await session.row(`select count(*) as n from (${select})`))['n'])
}

/** The column and the fields below it that compare, by their SQL. */
function comparable(field: Field, parent = ''): readonly { readonly sql: string; readonly type: DataType }[] {
  const sql = `${parent}${identifier(field.name)}`
  const { type } = field
  if (typeof type === 'string') return ['variant', 'void'].includes(type) ? [] : [{ sql, type }]
  return type.type === 'struct' ? type.fields.flatMap((inner) => comparable(inner, `${sql}.`)) : []
}

async function literalsOf(
  session: DuckDbSession,
  sql: string,
  type: DataType,
  count: number,
): Promise<readonly string[]> {
  const rows = await session.rows(
    `select distinct ${sql}::varchar as v from all_rows where ${sql} is not null order by v limit ${count}`,
  )
  return rows.map((row) => `${text(String(row['v']))}::${duckDbType(type)}`)
}
