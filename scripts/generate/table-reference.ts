/** `docs/tables.md`: every table and view of the platform, from their declarations. */

import type { ColumnDeclaration } from '../../src/lib/clickhouse/ddl.ts'
import { type DataType, duckDbType } from '../../src/lib/delta/index.ts'
import { goldMetrics } from '../../src/pipeline/model/gold.ts'
import { lakeTableNames, lakeTables } from '../../src/pipeline/model/tables.ts'
import {
  goldTables,
  realtimeTableNames,
  realtimeTables,
  servingViews,
} from '../../src/pipeline/serving/tables.ts'

export function tableReference(): string {
  return `# Tables

Made by \`npm run generate\` from the declarations in \`src/pipeline/model\` and \`src/pipeline/serving\`. All times are UTC.

## Metrics

Each is one file in \`src/pipeline/model/metrics\`: a Delta table in \`gold/\`, a table in ClickHouse's \`gold\` (with the further
column \`updated_at\`), a view in \`serving\` (with \`provisional\`: a later batch may still change the row).

${goldMetrics.map(metricSection).join('\n')}
## Delta tables

${lakeTableNames
  .map((name) => {
    const { schema, partitionBy = [] } = lakeTables[name]
    const by = partitionBy.length === 0 ? '' : `, partitioned by \`${partitionBy.join('`, `')}\``
    return `- \`${name}\`${by}: ${schema.fields.map((field) => `\`${field.name}\` ${typeName(field.type)}`).join(', ')}`
  })
  .join('\n')}

## ClickHouse

Of the speed layer, appended and read with \`SUM\`. The columns after the measure say which offsets of which partition a row
covers.

${realtimeTableNames.map((name) => tableLine(realtimeTables[name])).join('\n')}

Of the batch, replaced by whole months:

${goldMetrics.map(({ name }) => tableLine(goldTables[name])).join('\n')}

Views, which change all at once with a load:

${servingViews.map(({ name }) => `- \`${name}\``).join('\n')}
`
}

function metricSection({ name, description, grain, task, columns }: (typeof goldMetrics)[number]): string {
  const rows = Object.entries(columns).map(
    ([column, { type, description: says }]) => `| \`${column}\` | ${type} | ${says} |`,
  )
  return `### ${name}

${description} One row for each ${grain.map((column) => `\`${column}\``).join(' and ')}. Task: \`${task}\`.

| column | type | meaning |
|---|---|---|
${rows.join('\n')}
`
}

function tableLine({
  name,
  columns,
}: {
  readonly name: string
  readonly columns: readonly ColumnDeclaration[]
}): string {
  return `- \`${name}\`: ${columns.map((column) => `\`${column.name}\` ${column.type}`).join(', ')}`
}

function typeName(type: DataType): string {
  return typeof type === 'string' ? type : duckDbType(type)
}
