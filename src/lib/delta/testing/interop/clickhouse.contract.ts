/**
 * Tables between us and ClickHouse, whose reader is delta-kernel-rs: what we write, after each kind of change and at
 * the versions before; what it writes; and both at once.
 *
 * ClickHouse runs in a process of its own, which answers a list of statements.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DuckDb, openDuckDb } from '../../../duckdb/duckdb.ts'
import { openLocalStore } from '../../../storage/store.local.ts'
import { append } from '../../change/append.ts'
import { field, structOf } from '../../schema/schema.ts'
import { DeltaTable } from '../../table.ts'
import { askClickHouse } from '../faults/ask-clickhouse.fixture.ts'
import { ourRows, type Spelled, type SpelledRow, sorted } from './peer.fixture.ts'
import { type Told, tell, versionsOf, wholeHistory, withoutVersion } from './stories.fixture.ts'

const settings = [
  'output_format_json_quote_64bit_integers = 1',
  'output_format_json_quote_decimals = 1',
  'output_format_decimal_trailing_zeros = 1',
  'schema_inference_make_columns_nullable = 1',
  `date_time_output_format = 'iso'`,
].join(', ')

const reading = (path: string, version?: number): string =>
  `select * from deltaLakeLocal('${path}') settings ${settings}${version === undefined ? '' : `, delta_lake_snapshot_version = ${version}`}`

/** What ClickHouse 26.7 has no equal of, or gets wrong, made the same on both sides. */
function alike(rows: readonly SpelledRow[]): readonly string[] {
  return sorted(
    rows.map((row) =>
      Object.fromEntries(
        Object.entries(row)
          .filter(([name]) => name !== 'decimal_partition')
          .map(([name, value]) => [name, simple(value)]),
      ),
    ),
  )
}

/** A string holds any bytes there. */
function asText(value: Spelled): Spelled {
  return typeof value === 'string' ? Buffer.from(value, 'hex').toString() : value
}

/** A list, a map or a struct cannot be null there; a map is an object in JSON; no time is without a zone. */
function simple(value: Spelled): Spelled {
  if (typeof value === 'string') return value.replace(/^(\d{4}-\d\d-\d\dT[\d:.]+)Z$/, '$1')
  if (typeof value !== 'object' || value === null) return value
  const entries = Array.isArray(value) ? mapEntries(value as readonly Spelled[]) : Object.entries(value)
  if (entries === undefined) {
    const items = (value as readonly Spelled[]).map(simple)
    return items.length === 0 ? null : items
  }
  const fields = entries.map(([name, inner]) => [name, simple(inner)] as const)
  return fields.every(([, inner]) => inner === null) ? null : Object.fromEntries(fields)
}

function mapEntries(list: readonly Spelled[]): readonly (readonly [string, Spelled])[] | undefined {
  const entries = list.flatMap((item) =>
    typeof item === 'object' && item !== null && 'key' in item && 'value' in item
      ? [[String(item['key']), item['value']] as const]
      : [],
  )
  return entries.length === list.length && list.length > 0 ? entries : undefined
}

const parsed = (rows: readonly string[]): readonly SpelledRow[] =>
  rows.map((text) => {
    const row = JSON.parse(text) as SpelledRow
    return 'bytes' in row ? { ...row, bytes: asText(row['bytes'] ?? null) } : row
  })

export interface InteropExtent {
  /** Tables that ClickHouse reads after each of their operations, and at every version. */
  readonly stories: readonly string[]
  /** By ClickHouse, while we append. */
  readonly inserts: number
}

export function describeClickHouseInterop({ stories, inserts }: InteropExtent): void {
  let root: string
  let duckdb: DuckDb
  let told: readonly Told[]
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'lake-interop-'))
    duckdb = await openDuckDb({ threads: 1 })
    told = await tell(duckdb, root, stories)
  })
  afterAll(async () => {
    duckdb[Symbol.dispose]()
    await rm(root, { recursive: true, force: true })
  })

  describe('ClickHouse reads what we write', () => {
    it('after each operation, and at every version', async () => {
      const wanted = [
        ...withoutVersion(told).map(({ story, step, path, rows }) => ({
          what: `${story}: ${step}`,
          sql: reading(path),
          rows,
        })),
        ...stories.flatMap((name) => {
          const { path, version: newest } = wholeHistory(told, name)
          return versionsOf(told, name)
            .filter(({ version }) => version <= newest)
            .map(({ version, rows }) => ({
              what: `${name}: version ${version}`,
              sql: reading(path, version),
              rows,
            }))
        }),
      ]
      const answers = await askClickHouse(wanted.map(({ sql }) => sql))

      const wrong = wanted.flatMap(({ what, rows: expected }, at) => {
        const { rows = [], error } = answers[at] ?? { error: 'no answer' }
        const [found, wantedRows] = [alike(rows), alike(parsed(expected))]
        const isRight = error === undefined && JSON.stringify(found) === JSON.stringify(wantedRows)
        return isRight ? [] : [{ what, error, found, wantedRows }]
      })
      expect(wrong).toEqual([])
      expect(wanted.length).toBeGreaterThan(7 * stories.length)
    })
  })

  describe('ClickHouse writes to our tables', () => {
    it('at the same time as we do, and nothing is lost', async () => {
      const path = join(root, 'race')
      await using store = openLocalStore(path)
      const table = new DeltaTable({ store, duckdb })
      await table.createIfMissing({
        schema: structOf(field('id', 'long'), field('word', 'string')),
      })
      const theirs = Array.from({ length: inserts }, (_, at) => 1000 + at)
      const inserted = askClickHouse(
        theirs.map(
          (id) =>
            `insert into function deltaLakeLocal('${path}') settings allow_delta_lake_writes = 1 values (${id}, 'theirs')`,
        ),
        { repeatsConflicts: true },
      )
      const ours: number[] = []
      let isOver = false
      void inserted.finally(() => {
        isOver = true
      })
      while (!isOver) {
        const id = 2000 + ours.length
        await duckdb.use((session) =>
          append(table, { session, select: `select ${id} as id, 'ours' as word` }),
        )
        ours.push(id)
      }

      expect(await inserted).toEqual(theirs.map(() => ({ rows: [] })))
      const expected = sorted([
        ...theirs.map((id) => ({ id: String(id), word: 'theirs' })),
        ...ours.map((id) => ({ id: String(id), word: 'ours' })),
      ])
      expect(await ourRows(table)).toEqual(expected)
      expect((await table.snapshot()).version).toBe(theirs.length + ours.length)
      const [read] = await askClickHouse([reading(path)])
      expect(read?.error ?? alike(read?.rows ?? [])).toEqual(alike(parsed(expected)))
    })
  })
}
