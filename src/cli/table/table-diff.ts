/** `lake table diff`: the rows that differ between two versions, or after two runs of the batch, and why. */

import { type Command, InvalidArgumentError } from 'commander'
import { countOf } from '../../lib/base/count-of.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { type ColumnDiff, type DeltaTable, diffVersions } from '../../lib/delta/index.ts'
import { type LakeTable, rowKey } from '../../pipeline/model/tables.ts'
import { existingRuns } from '../../pipeline/query/existing-runs.ts'
import { locateTable, ownName } from '../../pipeline/query/locate.ts'
import { type Making, madeBetween } from '../../pipeline/query/made-between.ts'
import { names, type VersionRange, versionRange, wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { rowChunks, writeRows } from '../output/duckdb-rows.ts'
import { formatRows } from '../output/rows.ts'
import { drawTable } from '../output/table-text.ts'
import { fileFormat } from './row-file.ts'
import { tableArgument } from './table-target.ts'

interface DiffFlags {
  readonly key?: readonly string[]
  readonly fromRun?: number
  readonly toRun?: number
  readonly skip?: readonly string[]
  readonly tolerance?: number
  readonly limit: number
  readonly out?: string
}

const shownByDefault = 1_000

export function addTableDiff(table: Command, cli: CommandLine): void {
  table
    .command('diff')
    .summary('rows that were added, removed or changed between two versions, or two runs')
    .description(
      'Compares two versions by a key: rows that only one of them has, and of the others each value that changed. With ' +
        '--json one document: {from, to, added, removed, changed, columns, causes, rows}. Of a table of the batch, ' +
        'causes are the runs that made the versions in between, and the versions that they had read.',
    )
    .argument('<table>', tableArgument)
    .argument('[versions]', 'FROM..TO, such as 3..5', versionRange)
    .option('--from-run <id>', 'the version after this run of the batch', wholeNumber({ min: 1 }))
    .option('--to-run <id>', 'the version after this run; the newest without it', wholeNumber({ min: 1 }))
    .option(
      '--key <columns>',
      'columns whose values name a row, with commas between them; of a table of the batch its own without it',
      names,
    )
    .option('--skip <columns>', 'columns that are not compared', names)
    .option('--tolerance <part>', 'take floating point numbers for equal that differ by this part', tolerance)
    .option('--limit <number>', 'show at most so many lines', wholeNumber(), shownByDefault)
    .option('--out <file>', 'write all of them to a .parquet, .csv or .ndjson file')
    .addHelpText(
      'after',
      '\nExamples:\n  lake table diff gold/daily_active_users --from-run 12 --to-run 13\n' +
        '  lake table diff gold/conversion_rate_daily 3..5 --tolerance 1e-9\n' +
        '  lake table diff /data/orders 0..12 --key id --out changes.parquet',
    )
    .action((name: string, versions: VersionRange | undefined, flags: DiffFlags) =>
      diffTable(name, versions, flags, cli),
    )
}

function tolerance(text: string): number {
  const part = Number(text)
  if (text.trim() !== '' && part >= 0 && part < 1) return part
  throw new InvalidArgumentError('Expected a part such as 1e-9, from 0 to below 1.')
}

async function diffTable(
  name: string,
  versions: VersionRange | undefined,
  { key, limit, out, fromRun, toRun, skip, tolerance: near }: DiffFlags,
  cli: CommandLine,
): Promise<void> {
  const { platform, signal, output, terminal } = cli
  const format = out === undefined ? undefined : fileFormat(out, ['parquet', 'csv', 'ndjson'])
  const table = await locateTable(platform, name, { signal })
  const own = await ownName(platform, table)
  const { from, to } = versions ?? (await versionsOfRuns(table, own, { fromRun, toRun }, cli))
  if (versions !== undefined && (fromRun ?? toRun) !== undefined)
    throw new LakeError('USAGE', 'table diff: expected versions, or --from-run and --to-run, got both')
  const [before, after] = [
    await table.snapshot({ version: from, signal }),
    await table.snapshot({ version: to, signal }),
  ]
  using session = await (await platform.duckdb()).connect()
  const { select, columns, ...counts } = await diffVersions(session, table, before, after, {
    key: key ?? keyOf(table, own),
    ...(skip && { skip }),
    ...(near !== undefined && { tolerance: near }),
    signal,
  })
  const causes = own?.match(/^(silver|gold)\//)
    ? await madeBetween(platform, own, from > to ? before : after, { from: Math.min(from, to), signal })
    : []
  const found = { table: table.uri, from, to, ...counts, columns, causes }
  const summary = `${countOf(counts.added, 'row')} added, ${counts.removed} removed, ${counts.changed} changed, version ${from} to ${to}`
  if (out !== undefined && format !== undefined) {
    await writeRows(session, select, out, format, { signal })
    await cli.result({ ...found, out }, () => `${summary}; wrote ${out}`)
    return
  }
  const shown = `select * from (${select}) limit ${limit}`
  if (cli.isJson) {
    const rows = await session.rows(shown, { signal })
    await cli.result({ ...found, rows }, () => '')
    return
  }
  if (counts.added + counts.removed + counts.changed > 0) {
    for await (const text of formatRows(rowChunks(session, shown, { signal }), 'table'))
      await output.write(text)
  }
  if (counts.changed > 0 && columns.length > 0) await output.write(`${describeColumns(columns)}\n`)
  if (causes.length > 0) await output.write(`${describeCauses(causes)}\n`)
  terminal.line(summary)
}

/** @throws LakeError `USAGE` for a table of a user, which has no key that is known. */
function keyOf({ uri }: DeltaTable, own: LakeTable | undefined): readonly string[] {
  if (own === undefined)
    throw new LakeError('USAGE', `table diff ${uri}: expected --key with the columns whose values name a row`)
  return rowKey(own)
}

/** @throws LakeError `USAGE`, `RUN_MISSING`; `VERSION_MISSING` for a run that did not come to the table. */
async function versionsOfRuns(
  table: DeltaTable,
  own: LakeTable | undefined,
  { fromRun, toRun }: { readonly fromRun: number | undefined; readonly toRun: number | undefined },
  { platform, signal }: CommandLine,
): Promise<VersionRange> {
  if (fromRun === undefined)
    throw new LakeError('USAGE', 'table diff: expected versions such as 3..5, or --from-run')
  const store = await existingRuns(platform)
  const versionAfter = async (run: number): Promise<number> => {
    if (store === undefined)
      throw new LakeError('RUN_MISSING', `There is no run ${run}: no batch has run yet`)
    const { attempts } = await store.runs.show(run, { signal })
    const versions = attempts.map(({ versionsAfter }) => versionsAfter?.[own ?? ''])
    const version = versions.findLast((each) => typeof each === 'number')
    if (typeof version === 'number') return version
    throw new LakeError('VERSION_MISSING', `Run ${run} did not come to ${own ?? table.uri}`, {
      details: { table: own ?? table.uri, run },
    })
  }
  return {
    from: await versionAfter(fromRun),
    to: toRun === undefined ? (await table.snapshot({ signal })).version : await versionAfter(toRun),
  }
}

function describeColumns(columns: readonly ColumnDiff[]): string {
  return drawTable(
    ['column', 'rows compared', 'changed', 'match %'],
    columns.map(({ column, compared, changed }) => [
      column,
      compared,
      changed,
      compared === 0 ? '' : ((100 * (compared - changed)) / compared).toFixed(2),
    ]),
  )
}

function describeCauses(causes: readonly Making[]): string {
  return drawTable(
    ['version', 'when', 'run', 'made from'],
    causes.map(({ version, at, run, operation, madeFrom }) => [
      version,
      at ?? '',
      run ?? operation ?? '',
      madeFrom.map((input) => `${input.table} ${input.version}`).join(', '),
    ]),
  )
}
