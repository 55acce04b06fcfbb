/** `lake table append|overwrite|delete|update|merge`: changes rows, each command in one commit. */

import { type Command, InvalidArgumentError } from 'commander'
import { LakeError, messageOf } from '../../lib/base/errors.ts'
import {
  type ApplicationVersion,
  append,
  compactIfWorthwhile,
  type DeltaTable,
  deleteRows,
  fileRows,
  type MergeClauses,
  merge,
  overwrite,
  type RowSource,
  updateRows,
  type WriteOutcome,
} from '../../lib/delta/index.ts'
import { names } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { forceText, reportWrite, type TargetFlags, tableArgument, targetTable } from './table-target.ts'

type Assignments = Readonly<Record<string, string>>

interface RowsFlags extends TargetFlags {
  readonly from: string
  readonly txn?: ApplicationVersion
}

interface AppendFlags extends RowsFlags {
  readonly partitionBy?: readonly string[]
  readonly mergeSchema?: boolean
}

interface OverwriteFlags extends AppendFlags {
  readonly where?: string
  readonly partitions?: boolean
  readonly overwriteSchema?: boolean
}

interface ConditionFlags extends TargetFlags {
  readonly where?: string
  readonly all?: boolean
}

interface UpdateFlags extends ConditionFlags {
  readonly set: Assignments
}

interface MergeFlags extends RowsFlags {
  readonly mergeSchema?: boolean
  readonly on: string
  readonly set?: Assignments
  readonly whenMatched?: readonly Clause[]
  readonly whenNotMatched?: readonly Clause[]
  readonly whenNotMatchedBySource?: readonly Clause[]
}

const fromText =
  'the rows: a .parquet, .csv (with a header), .ndjson or .json file, also with .gz; - is standard input'
const txnText =
  'write it once: APP:VERSION goes into the commit, and an APP that is there at VERSION or later writes nothing'

export function addTableWrite(table: Command, cli: CommandLine): void {
  table
    .command('append')
    .summary('add the rows of a file')
    .description(
      'Adds the rows of a file in one commit, and makes the table where there is none. Values are cast to the types of ' +
        'the table without loss, or nothing is written.',
    )
    .argument('<table>', tableArgument)
    .requiredOption('--from <file>', fromText)
    .option('--partition-by <names>', 'partition columns of a table that is made', names)
    .option('--txn <app:version>', txnText, applicationVersion)
    .option('--merge-schema', 'add columns that the table lacks')
    .option('--force', forceText)
    .addHelpText(
      'after',
      '\nExamples:\n  lake table append /data/orders --from orders.parquet --partition-by day\n' +
        '  lake table append /data/orders --from more.ndjson --txn nightly:20260131 --merge-schema',
    )
    .action((name: string, flags: AppendFlags) => appendFile(name, flags, cli))

  table
    .command('overwrite')
    .summary('replace rows by those of a file')
    .description(
      'Replaces all rows, those of the partitions that the file has rows of, or those that satisfy a condition, in ' +
        'one commit. Older versions stay readable until they are vacuumed.',
    )
    .argument('<table>', tableArgument)
    .requiredOption('--from <file>', fromText)
    .option(
      '--where <expression>',
      'replace the rows for which this SQL is true; the new rows must satisfy it too',
    )
    .option('--partitions', 'replace the partitions that the file has rows of')
    .option(
      '--partition-by <names>',
      'partition columns of a table that is made, or of --overwrite-schema',
      names,
    )
    .option('--txn <app:version>', txnText, applicationVersion)
    .option('--merge-schema', 'add columns that the table lacks')
    .option('--overwrite-schema', 'give the table the columns of the file')
    .option('--force', forceText)
    .addHelpText(
      'after',
      '\nExamples:\n  lake table overwrite /data/orders --from orders.csv\n' +
        '  lake table overwrite /data/orders --from january.parquet --where "day < date \'2026-02-01\'"',
    )
    .action((name: string, flags: OverwriteFlags) => overwriteFile(name, flags, cli))

  table
    .command('delete')
    .summary('delete rows')
    .description('Deletes the rows for which a condition is true. Rows for which it is null stay.')
    .argument('<table>', tableArgument)
    .option('--where <expression>', "SQL (DuckDB) over the table's columns")
    .option('--all', 'all rows')
    .option('--force', forceText)
    .addHelpText('after', '\nExamples:\n  lake table delete /data/orders --where "customer = 7"')
    .action(async (name: string, flags: ConditionFlags) => {
      const where = conditionOf(flags)
      await changeRows(name, flags, cli, (target, { session }) =>
        deleteRows(target, session, { where, signal: cli.signal }),
      )
    })

  table
    .command('update')
    .summary('change values of rows')
    .description('Gives columns new values in the rows for which a condition is true.')
    .argument('<table>', tableArgument)
    .requiredOption(
      '--set <column = expression>',
      'a column and SQL over the values the row had; may be repeated',
      assignment,
    )
    .option('--where <expression>', "SQL (DuckDB) over the table's columns")
    .option('--all', 'all rows')
    .option('--force', forceText)
    .addHelpText(
      'after',
      '\nExamples:\n  lake table update /data/orders --set "price = price * 2" --set "note = \'doubled\'" --where "price < 5"',
    )
    .action(async (name: string, flags: UpdateFlags) => {
      const where = conditionOf(flags)
      await changeRows(name, flags, cli, (target, { session }) =>
        updateRows(target, session, { set: flags.set, where, signal: cli.signal }),
      )
    })

  table
    .command('merge')
    .summary('bring rows of a file together with those of the table')
    .description(
      'Compares rows of the table (t) with rows of a file (s). Without --when-… it is an upsert: rows that match are ' +
        'replaced, all others come in. An action may end in `if CONDITION`; of several the first that applies counts.',
    )
    .argument('<table>', tableArgument)
    .requiredOption('--from <file>', fromText)
    .requiredOption('--on <expression>', 'when a row t matches a row s: "t.id = s.id"')
    .option(
      '--when-matched <action>',
      '`update`, `delete` or `ignore`; may be repeated',
      clause('update', 'delete'),
    )
    .option(
      '--set <column = expression>',
      'what `update` sets, over t and s; all columns without it',
      assignment,
    )
    .option('--when-not-matched <action>', '`insert` or `ignore`; may be repeated', clause('insert'))
    .option(
      '--when-not-matched-by-source <action>',
      '`delete` or `ignore`; may be repeated',
      clause('delete'),
    )
    .option('--txn <app:version>', txnText, applicationVersion)
    .option('--merge-schema', 'add columns that are set or inserted and the table lacks')
    .option('--force', forceText)
    .addHelpText(
      'after',
      '\nExamples:\n  lake table merge /data/orders --from changes.parquet --on "t.id = s.id"\n' +
        '  lake table merge /data/stock --from sold.csv --on "t.item = s.item" --when-matched update --set "n = t.n - s.n"\n' +
        '  lake table merge /data/orders --from today.csv --on "t.id = s.id" --when-matched "update if s.version > t.version" ' +
        '--when-not-matched insert --when-not-matched-by-source delete',
    )
    .action((name: string, flags: MergeFlags) => mergeFile(name, flags, cli))
}

async function appendFile(name: string, flags: AppendFlags, cli: CommandLine): Promise<void> {
  const { from, partitionBy = [], txn, mergeSchema = false } = flags
  await changeRows(name, { ...flags, orNew: true }, cli, async (table, { session }) => {
    await using rows = await rowsFor(table, session, from, cli)
    const { schema, source } = rows
    requireNew(partitionBy, schema !== undefined, table)
    return await append(table, source, {
      missing: 'null',
      mergeSchema,
      create: { partitionBy },
      ...(txn !== undefined && { transaction: txn }),
      signal: cli.signal,
    })
  })
}

async function overwriteFile(name: string, flags: OverwriteFlags, cli: CommandLine): Promise<void> {
  const {
    from,
    where,
    partitions = false,
    partitionBy = [],
    txn,
    mergeSchema = false,
    overwriteSchema = false,
  } = flags
  if (where !== undefined && partitions) {
    throw new LakeError('USAGE', 'Both --where and --partitions say what is replaced: expected one of them')
  }
  await changeRows(name, { ...flags, orNew: true }, cli, async (table, { session }) => {
    await using rows = await rowsFor(table, session, from, cli, { keepTypes: !overwriteSchema })
    const { schema, source } = rows
    requireNew(partitionBy, schema !== undefined && !overwriteSchema, table)
    return await overwrite(table, source, {
      replace: where !== undefined ? { where } : partitions ? 'partitions' : 'table',
      missing: 'null',
      mergeSchema,
      overwriteSchema: overwriteSchema && schema !== undefined,
      ...(partitionBy.length > 0 && { partitionBy }),
      create: { partitionBy },
      ...(txn !== undefined && { transaction: txn }),
      signal: cli.signal,
    })
  })
}

async function mergeFile(name: string, flags: MergeFlags, cli: CommandLine): Promise<void> {
  const { from, on, txn, mergeSchema = false } = flags
  const clauses = clausesOf(flags)
  await changeRows(name, flags, cli, async (table, { session }) => {
    await using rows = await rowsFor(table, session, from, cli)
    return await merge(table, rows.source, {
      on,
      ...clauses,
      mergeSchema,
      ...(txn !== undefined && { transaction: txn }),
      signal: cli.signal,
    })
  })
}

async function changeRows(
  name: string,
  flags: TargetFlags & { readonly orNew?: boolean },
  cli: CommandLine,
  change: (table: DeltaTable, source: Pick<RowSource, 'session'>) => Promise<WriteOutcome>,
): Promise<void> {
  const table = await targetTable(name, flags, cli)
  using session = await (await cli.platform.duckdb()).connect()
  const outcome = await change(table, { session })
  await reportWrite(table, outcome, cli)
  if (outcome.kind === 'committed') await compact(table, cli)
}

/** Where the table asks for it. The write is done: what fails here costs it nothing, and the next one tries again. */
async function compact(table: DeltaTable, { signal, terminal }: CommandLine): Promise<void> {
  try {
    const outcome = await compactIfWorthwhile(table, { signal })
    if (outcome !== undefined) {
      terminal.line(`compacted ${outcome.removedFiles} small files to ${outcome.addedFiles}`)
    }
  } catch (error) {
    terminal.line(`small files were not compacted: ${messageOf(error)}`)
  }
}

/** The file's rows, good until they are closed, and the schema of the table that they go to where there is one. */
async function rowsFor(
  table: DeltaTable,
  session: RowSource['session'],
  from: string,
  { signal }: CommandLine,
  { keepTypes = true }: { readonly keepTypes?: boolean } = {},
) {
  const schema = (await table.exists({ signal })) ? (await table.snapshot({ signal })).schema : undefined
  const rows = await fileRows(session, from, { schema: keepTypes ? schema : undefined, signal })
  return {
    schema,
    source: { session, select: rows.select },
    [Symbol.asyncDispose]: () => rows[Symbol.asyncDispose](),
  }
}

function requireNew(partitionBy: readonly string[], isThere: boolean, table: DeltaTable): void {
  if (partitionBy.length === 0 || !isThere) return
  throw new LakeError('USAGE', `--partition-by: ${table.uri} exists, and its partitioning stays as it is`, {
    details: { fix: '`lake table overwrite --overwrite-schema --partition-by …` changes the partitioning.' },
  })
}

function conditionOf({ where, all = false }: ConditionFlags): string {
  if (where !== undefined && !all) return where
  if (where === undefined && all) return 'true'
  throw new LakeError('USAGE', 'Expected either --where EXPRESSION or --all')
}

interface Clause {
  readonly action: string
  readonly and?: string
}

function clause(
  ...actions: readonly string[]
): (text: string, before?: readonly Clause[]) => readonly Clause[] {
  return (text, before = []) => {
    const { action = '', and } = /^(?<action>\w+)(?:\s+if\s+(?<and>\S.*))?$/is.exec(text.trim())?.groups ?? {}
    const found = [...actions, 'ignore'].find((each) => each === action.toLowerCase())
    if (found === undefined) {
      throw new InvalidArgumentError(
        `Expected ${[...actions, 'ignore'].join(' or ')}, with or without "if CONDITION".`,
      )
    }
    return [...before, { action: found, ...(and !== undefined && { and }) }]
  }
}

/** No clause of a kind means that such rows stay as they are; no flag at all means an upsert. */
function clausesOf({ set, whenMatched, whenNotMatched, whenNotMatchedBySource }: MergeFlags): MergeClauses {
  const isUpsert =
    whenMatched === undefined && whenNotMatched === undefined && whenNotMatchedBySource === undefined
  const matched = whenMatched ?? (isUpsert ? [{ action: 'update' }] : [])
  const notMatched = whenNotMatched ?? (isUpsert ? [{ action: 'insert' }] : [])
  const acts = (clauses: readonly Clause[]): readonly Clause[] =>
    clauses.filter(({ action }) => action !== 'ignore')
  if (set !== undefined && !matched.some(({ action }) => action === 'update')) {
    throw new LakeError('USAGE', '--set says what an update sets: expected --when-matched update')
  }
  return {
    matched: acts(matched).map(({ action, ...condition }) =>
      action === 'delete'
        ? { kind: 'delete' as const, ...condition }
        : { kind: 'update' as const, set: set ?? ('all' as const), ...condition },
    ),
    notMatched: acts(notMatched).map(({ action: _, ...condition }) => ({
      kind: 'insert' as const,
      values: 'all' as const,
      ...condition,
    })),
    notMatchedBySource: acts(whenNotMatchedBySource ?? []).map(({ action: _, ...condition }) => ({
      kind: 'delete' as const,
      ...condition,
    })),
  }
}

/** `column = expression`; a name in double quotes may hold anything. */
function assignment(text: string, before: Assignments = {}): Assignments {
  const { quoted, bare, value } =
    /^\s*(?:"(?<quoted>(?:[^"]|"")+)"|(?<bare>[^\s="']+))\s*=(?!=)\s*(?<value>\S.*)$/s.exec(text)?.groups ??
    {}
  const column = quoted?.replaceAll('""', '"') ?? bare
  if (column === undefined || value === undefined) {
    throw new InvalidArgumentError('Expected a column and its value, such as "price = price * 2".')
  }
  return { ...before, [column]: value }
}

function applicationVersion(text: string): ApplicationVersion {
  const { app, version } = /^(?<app>.+):(?<version>\d+)$/s.exec(text)?.groups ?? {}
  if (app === undefined || version === undefined || !Number.isSafeInteger(Number(version))) {
    throw new InvalidArgumentError('Expected an application and its version, such as nightly:20260131.')
  }
  return { appId: app, version: Number(version) }
}
