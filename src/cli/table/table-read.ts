/** `lake table read`: the rows of one version, or of what a run has made and its checks have refused. */

import { LakeError } from '../../lib/base/errors.ts'
import {
  type DeltaTable,
  explainRead,
  type ReadPlan,
  type Snapshot,
  selectChanges,
  selectRows,
} from '../../lib/delta/index.ts'
import { candidateSnapshot } from '../../pipeline/query/candidate.ts'
import { existingRuns } from '../../pipeline/query/existing-runs.ts'
import { locateTable, ownName } from '../../pipeline/query/locate.ts'
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
  /** The run whose candidate is read. */
  readonly candidate?: number
  readonly vertical?: boolean
}

export async function readTable(name: string, flags: ReadFlags, cli: CommandLine): Promise<void> {
  const { platform, signal, terminal } = cli
  const { columns, where, limit, out, explain = false, changes, vertical = false } = flags
  requireOneVersion(flags)
  const format = out === undefined ? undefined : fileFormat(out, ['parquet', 'csv', 'ndjson'])
  const table = await locateTable(platform, name, { signal })
  const snapshot = await chosenSnapshot(table, flags, cli)
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
  const of =
    flags.candidate === undefined ? `version ${snapshot.version}` : `refused by run ${flags.candidate}`
  if (!cli.isJson) terminal.line(`${countsText(shown)}, ${of}`)
}

/** Two of them would be two answers. */
function requireOneVersion({ version, timestamp, explain = false, changes, candidate }: ReadFlags): void {
  if (changes !== undefined && (version !== undefined || timestamp !== undefined || explain)) {
    throw new LakeError(
      'USAGE',
      '--changes names its versions: expected no --version, --timestamp or --explain',
    )
  }
  if (candidate === undefined) return
  if (changes !== undefined || version !== undefined || timestamp !== undefined) {
    throw new LakeError(
      'USAGE',
      '--candidate is in no version: expected no --version, --timestamp or --changes',
    )
  }
}

async function chosenSnapshot(
  table: DeltaTable,
  { version, timestamp, changes, candidate }: ReadFlags,
  { platform, signal }: CommandLine,
): Promise<Snapshot> {
  if (candidate === undefined) {
    return table.snapshot({ version: changes?.to ?? version, timestampMs: timestamp, signal })
  }
  const name = await ownName(platform, table)
  if (name === undefined) {
    throw new LakeError('USAGE', `--candidate: expected a table that the batch makes, got ${table.uri}`)
  }
  const runs = await existingRuns(platform)
  return candidateSnapshot({ name, table, candidates: runs?.candidates }, candidate, { signal })
}

function planLines(plan: ReadPlan): string {
  return [
    `reads ${plan.filesRead} of ${plan.files} files, ${plan.sizeBytesRead} of ${plan.sizeBytes} bytes`,
    `skipped by partition values: ${plan.skippedByPartition}`,
    `skipped by statistics: ${plan.skippedByStatistics}`,
  ].join('\n')
}
