/** `lake sql`: a statement over the lake, or in ClickHouse. */
import { addAbortSignal } from 'node:stream'
import { text } from 'node:stream/consumers'
import { type Command, Option } from 'commander'
import { LakeError } from '../../lib/base/errors.ts'
import { replaceFile } from '../../lib/base/files/replace-file.ts'
import { clickhouseTuples } from '../../lib/clickhouse/tuples.ts'
import { firstWord, splitStatements } from '../../lib/duckdb/statements.ts'
import { createLakeViews } from '../../pipeline/query/lake-views.ts'
import { tableUnknown } from '../../pipeline/query/unknown-table.ts'
import { wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { rowChunks, writeRows } from '../output/duckdb-rows.ts'
import { formatRows, type RowFormat, rowFormats } from '../output/rows.ts'
import { countsText, firstRows, type Shown, type ShowOptions, showRows } from '../output/show-rows.ts'
import { type FileFormat, fileFormat, fileFormats, writePieces } from '../table/row-file.ts'

interface Flags {
  readonly engine: 'duckdb' | 'clickhouse'
  readonly format?: RowFormat
  readonly out?: string
  readonly limit?: number
  readonly vertical?: boolean
  readonly release?: number
}

export function addSql(program: Command, cli: CommandLine): void {
  program
    .command('sql')
    .summary('a query over the lake or in ClickHouse')
    .description(
      'Runs a statement; of several the last one answers (DuckDB). DuckDB knows bronze.events, bronze.rejected,\n' +
        'silver.events, silver.quarantine and gold.*, the last three as the newest release has them; another version, or any\n' +
        'Delta table by its path, is\n' +
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
    .option(
      '--limit <number>',
      'at most so many rows (default: a table on a terminal has 100)',
      wholeNumber(),
    )
    .option('--vertical', 'a line for each value, for rows that are too wide')
    .option(
      '--release <number>',
      'the tables as this release has them, bronze among them (DuckDB)',
      wholeNumber({ min: 1 }),
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
  const sql = (given === '-' ? await readStdin(cli) : given).trim()
  if (splitStatements(sql).length === 0) {
    throw new LakeError('USAGE', 'sql: expected a statement, got an empty text')
  }
  const { out, limit, format = cli.isJson ? 'ndjson' : 'table', vertical = false } = flags
  const file = out === undefined ? undefined : { path: out, format: fileFormat(out, fileFormats) }
  const show = { format, isVertical: vertical, ...(limit !== undefined && { limit }) }
  const { release } = flags
  if (release !== undefined && flags.engine !== 'duckdb') {
    throw new LakeError(
      'USAGE',
      'sql --release: expected --engine duckdb; serving.* shows the newest release alone',
    )
  }
  const run = flags.engine === 'duckdb' ? runDuckDb(release) : runClickHouse
  await run(sql, show, file, cli)
  if (file !== undefined) await cli.result({ out: file.path }, () => `wrote ${file.path}`)
}

interface TargetFile {
  readonly path: string
  readonly format: FileFormat
}

const runDuckDb =
  (release: number | undefined) =>
  async (sql: string, show: ShowOptions, file: TargetFile | undefined, cli: CommandLine): Promise<void> => {
    const { platform, signal, terminal } = cli
    using session = await (await platform.duckdb()).connect()
    const statements = splitStatements(sql)
    const last = statements.at(-1) ?? ''
    try {
      await createLakeViews(session, platform, sql, { release, signal })
      for (const statement of statements.slice(0, -1)) await session.run(statement, { signal })
      if (file !== undefined) {
        if (!answers.has(firstWord(last)))
          throw new LakeError('USAGE', 'sql --out: expected a last statement that returns rows')
        const select = limited(last, show.limit)
        await writeRows(session, select, file.path, file.format, { signal })
      } else {
        const shown = await showRows((most) => rowChunks(session, last, { limit: most, signal }), show, cli)
        sayWhatIsCut(shown, cli)
      }
    } catch (error) {
      throw await tableUnknown(error, sql, platform, { signal })
    }
    if (statements.some((statement) => makers.has(firstWord(statement))))
      terminal.line('What this statement made is gone now; `lake table append` and `overwrite` keep rows.')
  }

/** Statements that return rows, and those whose work in the memory of DuckDB ends with the command. */
const answers = new Set([
  'select',
  'with',
  'from',
  'values',
  'table',
  'describe',
  'show',
  'summarize',
  'pivot',
  'unpivot',
])
const makers = new Set(['create', 'insert', 'update', 'delete', 'alter'])

/** True of a statement of ClickHouse that answers with rows: what is not one of these is run for its effect. */
function returnsRows(sql: string): boolean {
  const bare = sql.replace(/^(\s+|--[^\n]*\n|\/\*[\s\S]*?\*\/|\()+/, '')
  return /^(select|with|from|show|describe|desc|explain|exists|check|values)\b/i.test(bare)
}

const limited = (select: string, limit: number | undefined): string =>
  limit === undefined ? select : `select * from (\n${select}\n) limit ${limit}`

function sayWhatIsCut(shown: Shown, { terminal }: CommandLine): void {
  if (shown.rows === shown.total) return
  terminal.line(`${countsText(shown)}; --limit shows more, --format csv or --out all of them`)
}

async function runClickHouse(
  sql: string,
  show: ShowOptions,
  file: TargetFile | undefined,
  cli: CommandLine,
): Promise<void> {
  const { platform, signal, terminal } = cli
  const clickhouse = await platform.clickhouse()
  const last = sql.replace(/[;\s]+$/, '')
  if (!returnsRows(last)) {
    if (file !== undefined) throw new LakeError('USAGE', 'sql --out: expected a statement that returns rows')
    await clickhouse.command(last, { signal })
    return terminal.line('done')
  }
  if (file === undefined) {
    return sayWhatIsCut(await showRows(() => clickhouseTuples(clickhouse, last, { signal }), show, cli), cli)
  }
  const { path, format: fileKind } = file
  await replaceFile(path, (draft) =>
    writePieces(
      draft,
      fileKind === 'parquet'
        ? clickhouse.raw(limited(last, show.limit), { format: 'Parquet', signal })
        : formatRows(
            firstRows(clickhouseTuples(clickhouse, last, { signal }), { rows: 0, total: 0 }, show.limit),
            fileKind,
          ),
    ),
  )
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
