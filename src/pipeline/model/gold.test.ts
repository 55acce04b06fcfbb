import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { duckDbType, emptySelect } from '../../lib/delta/index.ts'
import { type DuckDb, openDuckDb } from '../../lib/duckdb/duckdb.ts'
import { goldTables, loadedTables, servingViews } from '../serving/tables.ts'
import { goldMetrics } from './gold.ts'
import { lakeTables } from './tables.ts'

let duckdb: DuckDb
beforeAll(async () => {
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(() => duckdb[Symbol.dispose]())

const unique = (values: readonly unknown[]): number => new Set(values).size

describe('the metrics', () => {
  it('have names, tasks and panels of their own', () => {
    const panels = goldMetrics.flatMap((metric) => metric.panels.map(({ id }) => id))

    expect(unique(goldMetrics.map(({ name }) => name))).toBe(goldMetrics.length)
    expect(unique(goldMetrics.map(({ task }) => task))).toBe(goldMetrics.length)
    expect(unique(panels)).toBe(panels.length)
  })
})

describe.each(goldMetrics)('the metric $name', (metric) => {
  const columns = Object.keys(metric.columns)

  it('selects the columns that it declares, of their types', async () => {
    const declared = Object.entries(metric.columns).map(([name, { type }]) => ({
      name,
      type: duckDbType(type),
    }))

    const selected = await duckdb.use(async (session) => {
      await session.run(
        `create temporary table silver_events as ${emptySelect(lakeTables['silver/events'].schema)}`,
      )
      const found = await session.describe(metric.sql)
      await session.run('drop table silver_events')
      return found.map(({ name, type }) => ({ name, type }))
    })

    expect(selected).toEqual(declared)
  })

  it('checks and draws columns that it has', () => {
    const used = [
      ...metric.checks.flatMap((check) => ('column' in check ? [check.column] : [])),
      ...metric.panels.flatMap((panel) =>
        panel.kind === 'bars' ? [panel.label, panel.measure] : [panel.measure],
      ),
    ]

    expect(columns).toEqual(expect.arrayContaining([...metric.grain, ...used]))
  })

  it('is a table in Delta and in ClickHouse, and a view in serving', () => {
    const names = (table: { readonly columns: readonly { readonly name: string }[] }): readonly string[] =>
      table.columns.map(({ name }) => name)

    expect(lakeTables[`gold/${metric.name}`].schema.fields.map(({ name }) => name)).toEqual(columns)
    expect(names(goldTables[metric.name])).toEqual([...columns, 'updated_at'])
    expect(names(loadedTables[metric.name])).toEqual(['load_id', ...columns])
    expect(goldTables[metric.name].orderBy).toEqual(metric.grain)
    expect(servingViews.map(({ name }) => name)).toContain(`serving.${metric.name}`)
  })
})
