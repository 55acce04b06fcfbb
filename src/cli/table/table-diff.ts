/** `lake table diff`: the rows that differ between two versions. */

import type { Command } from 'commander'
import { countOf } from '../../lib/base/count-of.ts'
import { diffVersions } from '../../lib/delta/index.ts'
import { locateTable } from '../../pipeline/query/locate.ts'
import { names, type VersionRange, versionRange, wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { rowChunks, writeRows } from '../output/duckdb-rows.ts'
import { formatRows } from '../output/rows.ts'
import { fileFormat } from './row-file.ts'
import { tableArgument } from './table-target.ts'

interface DiffFlags {
  readonly key: readonly string[]
  readonly limit: number
  readonly out?: string
}

const shownByDefault = 1_000

export function addTableDiff(table: Command, cli: CommandLine): void {
  table
    .command('diff')
    .summary('rows that were added, removed or changed between two versions')
    .description(
      'Compares two versions by a key: rows that only one of them has, and of the others each value that changed. With ' +
        '--json one document: {added, removed, changed, rows}.',
    )
    .argument('<table>', tableArgument)
    .argument('<versions>', 'FROM..TO, such as 3..5', versionRange)
    .requiredOption('--key <columns>', 'columns whose values name a row, with commas between them', names)
    .option('--limit <number>', 'show at most so many lines', wholeNumber(), shownByDefault)
    .option('--out <file>', 'write all of them to a .parquet, .csv or .ndjson file')
    .addHelpText(
      'after',
      '\nExamples:\n  lake table diff gold/daily_active_users 3..5 --key event_date\n' +
        '  lake table diff /data/orders 0..12 --key id --out changes.parquet',
    )
    .action((name: string, versions: VersionRange, flags: DiffFlags) => diffTable(name, versions, flags, cli))
}

async function diffTable(
  name: string,
  { from, to }: VersionRange,
  { key, limit, out }: DiffFlags,
  cli: CommandLine,
): Promise<void> {
  const { platform, signal, output, terminal } = cli
  const format = out === undefined ? undefined : fileFormat(out, ['parquet', 'csv', 'ndjson'])
  const table = await locateTable(platform, name, { signal })
  const [before, after] = [
    await table.snapshot({ version: from, signal }),
    await table.snapshot({ version: to, signal }),
  ]
  using session = await (await platform.duckdb()).connect()
  const { select, ...counts } = await diffVersions(session, table, before, after, { key, signal })
  const summary = `${countOf(counts.added, 'row')} added, ${counts.removed} removed, ${counts.changed} changed, version ${from} to ${to}`
  if (out !== undefined && format !== undefined) {
    await writeRows(session, select, out, format, { signal })
    await cli.result({ table: table.uri, from, to, ...counts, out }, () => `${summary}; wrote ${out}`)
    return
  }
  const shown = `select * from (${select}) limit ${limit}`
  if (cli.isJson) {
    const rows = await session.rows(shown, { signal })
    await cli.result({ table: table.uri, from, to, ...counts, rows }, () => '')
    return
  }
  if (counts.added + counts.removed + counts.changed > 0) {
    for await (const text of formatRows(rowChunks(session, shown, { signal }), 'table'))
      await output.write(text)
  }
  terminal.line(summary)
}
