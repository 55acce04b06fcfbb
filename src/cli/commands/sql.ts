/** `lake sql`: a statement over the lake, or in ClickHouse. */
import { addAbortSignal } from 'node:stream'
import { text } from 'node:stream/consumers'
import { type Command, Option } from 'commander'
import { isLakeError, LakeError } from '../../lib/base/errors.ts'
import { lakeTableNames } from '../../pipeline/model/tables.ts'
import { createLakeViews } from '../../pipeline/query/lake-views.ts'
import type { CommandLine } from '../command-line.ts'
import { clickhouseRows, returnsRows } from '../output/clickhouse-rows.ts'
import { rowChunks, writeRows } from '../output/duckdb-rows.ts'
import { formatRows, type RowFormat, rowFormats } from '../output/rows.ts'
import { type FileFormat, fileFormat, fileFormats, replaceFile, writePieces } from '../table/row-file.ts'

interface Flags {
  readonly engine: 'duckdb' | 'clickhouse'
  readonly format?: RowFormat
  readonly out?: string
}

export function addSql(program: Command, cli: CommandLine): void {
  program
    .command('sql')
    .summary('a query over the lake or in ClickHouse')
    .description(
      'Runs a statement; of several the last one answers (DuckDB). DuckDB knows bronze.events, bronze.rejected,\n' +
        'silver.events, silver.quarantine and gold.* at their newest versions; an older one, or any Delta table by its path, is\n' +
        "  FROM at_version('gold.daily_active_users', 3)\n" +
        "  FROM at_timestamp('silver.events', '2026-01-31T12:00:00Z')\n" +
        'ClickHouse knows realtime.*, gold.* and serving.*.',
    )
    .argument('<statement>', 'the SQL; - reads it from stdin')
    .addOption(
      new Option('--engine <name>', 'who runs it').choices(['duckdb', 'clickhouse']).default('duckdb'),
    )
    .addOption(
      new Option('--format <name>', 'how rows are shown (default: table, with --json ndjson)').choices(
        rowFormats,
      ),
    )
    .option('--out <file>', 'write a .parquet, .csv, .ndjson or .json file instead')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  lake sql "select * from gold.conversion_rate_daily order by event_date"\n' +
        '  lake sql --engine clickhouse "select * from serving.events_per_day" --format csv\n' +
        '  lake sql "select page, count(*) from silver.events group by page" --out pages.parquet',
    )
    .action((statement: string, flags: Flags) => runSql(statement, flags, cli))
}

async function runSql(given: string, flags: Flags, cli: CommandLine): Promise<void> {
  const sql = (given === '-' ? await readStdin(cli) : given).trim().replace(/[;\s]+$/, '')
  if (sql === '') throw new LakeError('USAGE', 'sql: expected a statement, got an empty text')
  const { out, format = cli.isJson ? 'ndjson' : 'table' } = flags
  const file = out === undefined ? undefined : { path: out, format: fileFormat(out, fileFormats) }
  const run = flags.engine === 'duckdb' ? runDuckDb : runClickHouse
  await run(sql, format, file, cli).catch((error: unknown) => {
    throw withOurTables(error)
  })
  if (file !== undefined) await cli.result({ out: file.path }, () => `wrote ${file.path}`)
}

interface TargetFile {
  readonly path: string
  readonly format: FileFormat
}

async function runDuckDb(
  sql: string,
  format: RowFormat,
  file: TargetFile | undefined,
  { platform, output, signal }: CommandLine,
): Promise<void> {
  using session = await (await platform.duckdb()).connect()
  await createLakeViews(session, platform, sql, { signal })
  if (file !== undefined) {
    await writeRows(session, sql, file.path, file.format, { signal })
    return
  }
  for await (const piece of formatRows(rowChunks(session, sql, { signal }), format)) await output.write(piece)
}

async function runClickHouse(
  sql: string,
  format: RowFormat,
  file: TargetFile | undefined,
  { platform, output, signal, terminal }: CommandLine,
): Promise<void> {
  const clickhouse = await platform.clickhouse()
  if (!returnsRows(sql)) {
    if (file !== undefined) throw new LakeError('USAGE', 'sql --out: expected a statement that returns rows')
    await clickhouse.command(sql, { signal })
    return terminal.line('done')
  }
  if (file === undefined) {
    for await (const piece of formatRows(clickhouseRows(clickhouse, sql, { signal }), format))
      await output.write(piece)
    return
  }
  const { path, format: fileKind } = file
  await replaceFile(path, (draft) =>
    writePieces(
      draft,
      fileKind === 'parquet'
        ? clickhouse.raw(sql, { format: 'Parquet', signal })
        : formatRows(clickhouseRows(clickhouse, sql, { signal }), fileKind),
    ),
  )
}

/** For a table that is not there DuckDB offers those of its own catalogue: ours are named instead. */
function withOurTables(error: unknown): unknown {
  const message = isLakeError(error, 'SQL_INVALID') ? error.message : ''
  const missing = /^Catalog Error: (?<what>Table with name .* does not exist!)/.exec(message)
  if (missing === null) return error
  const fix = `The lake has ${lakeTableNames.map((name) => name.replace('/', '.')).join(', ')}.`
  return new LakeError('SQL_INVALID', missing.groups?.['what'] ?? '', { cause: error, details: { fix } })
}

async function readStdin({ io: { stdin }, signal }: CommandLine): Promise<string> {
  if (stdin === undefined) return ''
  try {
    return await text(addAbortSignal(signal, stdin))
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}
