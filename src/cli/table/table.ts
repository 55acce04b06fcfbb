/** `lake table`: lists tables, and shows what is in them. */

import { type Command, Option } from 'commander'
import { isLakeError, messageOf } from '../../lib/base/errors.ts'
import type { DeltaTable, Snapshot } from '../../lib/delta/index.ts'
import { isLakeTable } from '../../pipeline/model/tables.ts'
import { lakeTables } from '../../pipeline/query/lake-tables.ts'
import { locateTable } from '../../pipeline/query/locate.ts'
import { isoTime, names, versionRange, wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { drawTable } from '../output/table-text.ts'
import { addTableAlter } from './table-alter.ts'
import { addTableDiff } from './table-diff.ts'
import { addTableMaintain } from './table-maintain.ts'
import { type ReadFlags, readTable } from './table-read.ts'
import { tableArgument } from './table-target.ts'
import { addTableWrite } from './table-write.ts'

export function addTable(program: Command, cli: CommandLine): void {
  const table = program
    .command('table')
    .summary('the Delta tables: what is in them, and changes to them')
    .description('Delta tables: those of the platform by name, any other by its path or URI.')
    .addHelpText('after', '\nExamples:\n  lake table list\n  lake table read gold/daily_active_users')

  table
    .command('list')
    .summary('all tables under LAKE_URI')
    .description(
      'The tables under LAKE_URI, of the platform and of users: version, rows, size, and when they were last written.',
    )
    .addHelpText('after', '\nExamples:\n  lake table list\n  lake table list --json')
    .action(() => listTables(cli))

  table
    .command('show')
    .summary('version, columns, properties, files, transactions')
    .description('What the log of a table says: version, protocol, columns, properties, files, transactions.')
    .argument('<table>', tableArgument)
    .option('--version <number>', 'as of this version', wholeNumber())
    .addOption(asOf('as of this time'))
    .addHelpText(
      'after',
      '\nExamples:\n  lake table show bronze/events\n  lake table show /data/orders --version 3 --json',
    )
    .action((name: string, flags: VersionFlags) => showTable(name, flags, cli))

  table
    .command('read')
    .summary('its rows, at any version')
    .description(
      'The rows of a table, at its newest version or an older one. With --json one object a line: integers keep ' +
        'all digits, binary is base64, NaN and the infinities are texts.',
    )
    .argument('<table>', tableArgument)
    .option('--version <number>', 'as of this version', wholeNumber())
    .addOption(asOf('as of this time: ISO 8601, UTC where it names no zone'))
    .option('--columns <names>', 'only these columns, with commas between them', names)
    .option('--where <expression>', 'only rows for which this SQL expression (DuckDB) is true')
    .option('--limit <number>', 'at most so many rows', wholeNumber())
    .option('--out <file>', 'write a .parquet, .csv or .ndjson file instead of showing the rows')
    .option(
      '--changes <from..to>',
      'instead of the rows what these versions changed, with _change_type',
      versionRange,
    )
    .option(
      '--candidate <run>',
      'instead of a version what this run has made and its checks have refused',
      wholeNumber({ min: 1 }),
    )
    .option('--vertical', 'a line for each value, for rows that are too wide')
    .option('--explain', 'say which files would be read and why the others are not, and read none')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  lake table read gold/daily_active_users\n' +
        '  lake table read bronze/events --columns event_id,timestamp --where "event_type = \'click\'" --limit 10\n' +
        '  lake table read silver/events --version 3 --out events.parquet\n' +
        '  lake table read silver/events --changes 4..6\n' +
        '  lake table read gold/daily_active_users --candidate 12',
    )
    .action((name: string, flags: ReadFlags) => readTable(name, flags, cli))

  table
    .command('history')
    .summary('its commits, newest first')
    .description(
      'The commits of a table, newest first: when, what, how much, by whom, and for which run and task.',
    )
    .argument('<table>', tableArgument)
    .option('--limit <number>', 'at most so many', wholeNumber({ min: 1 }))
    .addHelpText('after', '\nExamples:\n  lake table history silver/events --limit 5')
    .action((name: string, flags: { readonly limit?: number }) => showHistory(name, flags, cli))

  addTableDiff(table, cli)
  addTableWrite(table, cli)
  addTableAlter(table, cli)
  addTableMaintain(table, cli)
}

/** One of them says which version: two would be two answers. */
const asOf = (description: string): Option =>
  new Option('--timestamp <time>', description).argParser(isoTime).conflicts('version')

interface VersionFlags {
  readonly version?: number
  readonly timestamp?: number
}

interface Listed {
  readonly table: string
  readonly uri: string
  /** null, as all that follows, where nothing has been written yet or the table cannot be read. */
  readonly version: number | null
  readonly numRecords: number | null
  readonly numFiles: number | null
  readonly sizeBytes: number | null
  readonly lastCommit: string | null
  /** Why it cannot be read. */
  readonly problem: string | null
}

/** One that cannot be read takes no other down: it is shown as such, and its error follows. */
async function listTables(cli: CommandLine): Promise<void> {
  const listed: Listed[] = []
  const failures: unknown[] = []
  const { platform, signal } = cli
  const names = await lakeTables(platform, { signal })
  for (const name of names) {
    const table = isLakeTable(name)
      ? await platform.table(name)
      : await platform.tableAt(`${platform.config.lakeUri}/${name}`)
    try {
      listed.push(await listedTable(name, table, cli))
    } catch (error) {
      cli.signal.throwIfAborted()
      failures.push(error)
      listed.push(unlisted(name, table, messageOf(error)))
    }
  }
  if (failures.length === names.length) throw failures[0]
  await cli.result(listed, () =>
    drawTable(
      ['table', 'version', 'rows', 'files', 'bytes', 'last commit'],
      listed.map(({ table, version, numRecords, numFiles, sizeBytes, lastCommit, problem }) => [
        table,
        version,
        numRecords,
        numFiles,
        sizeBytes,
        lastCommit ?? (problem === null ? 'not written yet' : 'cannot be read'),
      ]),
    ),
  )
  if (failures.length > 0) throw new AggregateError(failures, 'Some tables cannot be read')
}

async function listedTable(name: string, table: DeltaTable, { signal }: CommandLine): Promise<Listed> {
  try {
    const { version, numRecords = null, files, sizeBytes } = await table.snapshot({ signal })
    const lastCommit = await lastCommitOf(table, { signal })
    const state = { version, numRecords, numFiles: files.length, sizeBytes, lastCommit, problem: null }
    return { table: name, uri: table.uri, ...state }
  } catch (error) {
    if (!isLakeError(error, 'TABLE_MISSING')) throw error
    return unlisted(name, table, null)
  }
}

function unlisted(name: string, { uri }: DeltaTable, problem: string | null): Listed {
  const nothing = { version: null, numRecords: null, numFiles: null, sizeBytes: null, lastCommit: null }
  return { table: name, uri, ...nothing, problem }
}

async function lastCommitOf(
  table: DeltaTable,
  options: { readonly signal: AbortSignal },
): Promise<string | null> {
  for await (const { timestampMs } of table.history(options)) return new Date(timestampMs).toISOString()
  return null
}

async function showTable(
  name: string,
  { version, timestamp }: VersionFlags,
  cli: CommandLine,
): Promise<void> {
  const { platform, signal } = cli
  const table = await locateTable(platform, name, { signal })
  const snapshot = await table.snapshot({ version, timestampMs: timestamp, signal })
  await cli.result(snapshotDocument(snapshot), () => describe(table, snapshot))
}

function snapshotDocument(snapshot: Snapshot): object {
  const { version, protocol, metadata, partitionColumns, files, numRecords, sizeBytes, transactions } =
    snapshot
  return {
    version,
    protocol,
    schemaString: metadata.schemaString,
    partitionColumns,
    properties: metadata.configuration,
    numFiles: files.length,
    numRecords: numRecords ?? null,
    sizeBytes,
    transactions,
  }
}

function describe(table: DeltaTable, snapshot: Snapshot): string {
  const { version, protocol, metadata, schema, partitionColumns, files, numRecords, sizeBytes } = snapshot
  const features = [...(protocol.readerFeatures ?? []), ...(protocol.writerFeatures ?? [])]
  const list = (entries: readonly (readonly [string, unknown])[]): string =>
    entries.map(([key, value]) => `\n  ${key} = ${String(value)}`).join('') || ' none'
  return [
    `${table.uri}, version ${version}`,
    `rows ${numRecords ?? 'unknown'}, files ${files.length}, bytes ${sizeBytes}`,
    `protocol: reader ${protocol.minReaderVersion}, writer ${protocol.minWriterVersion}${features.length > 0 ? ` (${[...new Set(features)].join(', ')})` : ''}`,
    `partitioned by: ${partitionColumns.join(', ') || 'nothing'}`,
    `properties:${list(Object.entries(metadata.configuration))}`,
    `transactions:${list(Object.entries(snapshot.transactions))}`,
    drawTable(
      ['column', 'type', 'nullable'],
      schema.fields.map(({ name, type, nullable }) => [
        name,
        typeof type === 'string' ? type : JSON.stringify(type),
        nullable ? 'yes' : 'no',
      ]),
    ),
  ].join('\n')
}

async function showHistory(
  name: string,
  { limit = Number.POSITIVE_INFINITY }: { readonly limit?: number },
  cli: CommandLine,
): Promise<void> {
  const { platform, signal } = cli
  const table = await locateTable(platform, name, { signal })
  const entries: { readonly version: number; readonly timestamp: string; readonly [key: string]: unknown }[] =
    []
  for await (const { version, timestampMs, timestamp: _, ...rest } of table.history({ signal })) {
    entries.push({ version, timestamp: new Date(timestampMs).toISOString(), ...rest })
    if (entries.length >= limit) break
  }
  await cli.result(entries, () =>
    drawTable(
      ['version', 'time', 'operation', 'parameters', 'metrics', 'writer', 'tags'],
      entries.map((entry) => [
        entry.version,
        entry.timestamp,
        entry['operation'],
        entry['operationParameters'],
        entry['operationMetrics'],
        entry['engineInfo'],
        entry['tags'],
      ]),
    ),
  )
}
