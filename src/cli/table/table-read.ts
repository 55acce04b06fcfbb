/** `lake table read`: the rows of one version. */

import { LakeError } from '../../lib/base/errors.ts'
import { explainRead, type ReadPlan, selectChanges, selectRows } from '../../lib/delta/index.ts'
import { locateTable } from '../../pipeline/query/locate.ts'
import type { VersionRange } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { rowChunks, writeRows } from '../output/duckdb-rows.ts'
import { countsText, showRows } from '../output/show-rows.ts'
import { fileFormat } from './row-file.ts'

export interface ReadFlags {
  readonly version?: number
  readonly timestamp?: number
  readonly columns?: readonly string[]
  readonly where?: string
  readonly limit?: number
  readonly out?: string
  readonly explain?: boolean
  readonly changes?: VersionRange
  readonly vertical?: boolean
}

export async function readTable(name: string, flags: ReadFlags, cli: CommandLine): Promise<void> {
  const { platform, signal, terminal } = cli
  const { timestamp, columns, where, limit, out, explain = false, changes, vertical = false } = flags
  if (changes !== undefined && (flags.version !== undefined || timestamp !== undefined || explain)) {
    throw new LakeError(
      'USAGE',
      '--changes names its versions: expected no --version, --timestamp or --explain',
    )
  }
  const version = changes?.to ?? flags.version
  const format = out === undefined ? undefined : fileFormat(out, ['parquet', 'csv', 'ndjson'])
  const table = await locateTable(platform, name, { signal })
  const snapshot = await table.snapshot({ version, timestampMs: timestamp, signal })
  using session = await (await platform.duckdb()).connect()
  if (explain) {
    const plan = await explainRead(session, snapshot, { where, signal })
    await cli.result({ table: table.uri, version: snapshot.version, ...plan }, () => planLines(plan))
    return
  }
  const selection = { columns, where, limit, signal }
  const select =
    changes === undefined
      ? await selectRows(session, table, snapshot, selection)
      : await selectChanges(session, table, snapshot, { ...selection, from: changes.from })
  if (out !== undefined && format !== undefined) {
    await writeRows(session, select, out, format, { signal })
    await cli.result({ table: table.uri, version: snapshot.version, out }, () => `wrote ${out}`)
    return
  }
  const shown = await showRows(
    (most) => rowChunks(session, select, { limit: most, signal }),
    { format: cli.isJson ? 'ndjson' : 'table', isVertical: vertical },
    cli,
  )
  if (!cli.isJson) terminal.line(`${countsText(shown)}, version ${snapshot.version}`)
}

function planLines(plan: ReadPlan): string {
  return [
    `reads ${plan.filesRead} of ${plan.files} files, ${plan.sizeBytesRead} of ${plan.sizeBytes} bytes`,
    `skipped by partition values: ${plan.skippedByPartition}`,
    `skipped by statistics: ${plan.skippedByStatistics}`,
  ].join('\n')
}
