/** `lake table alter`: changes columns, constraints and properties. Rows stay as they are. */

import { type Command, InvalidArgumentError } from 'commander'
import { LakeError } from '../../lib/base/errors.ts'
import {
  addColumns,
  addConstraint,
  type DataType,
  type DeltaTable,
  dropColumn,
  dropConstraint,
  dropNotNull,
  isPrimitive,
  renameColumn,
  setComment,
  setNotNull,
  setProperties,
  typeOfSql,
  unsetProperties,
  type WriteOutcome,
  widenColumn,
} from '../../lib/delta/index.ts'
import { names } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { forceText, reportWrite, type TargetFlags, tableArgument, targetTable } from './table-target.ts'

type Pairs = readonly (readonly [string, string])[]

interface Alterations {
  readonly add: Pairs
  readonly rename: Pairs
  readonly drop: string
  readonly widen: Pairs
  readonly notNull: string
  readonly nullable: string
  readonly comment: Pairs
  readonly addConstraint: Pairs
  readonly dropConstraint: string
  readonly set: Pairs
  readonly unset: readonly string[]
}

type AlterFlags = Partial<Alterations>

export function addTableAlter(table: Command, cli: CommandLine): void {
  table
    .command('alter')
    .summary('change columns, constraints or properties')
    .description(
      'Changes what a table is, in one commit, and none of its rows: one kind of change at a time. Fields of a struct ' +
        'are named with a dot (address.city). To rename or drop a column the table must map its columns: ' +
        '--set delta.columnMapping.mode=name.',
    )
    .argument('<table>', tableArgument)
    .option(
      '--add <"column type">',
      'a new column: a type of Delta (long, timestamp) or of DuckDB; may be repeated',
      pair(' '),
    )
    .option('--rename <"column name">', 'give a column another name', pair(' '))
    .option('--drop <column>', 'take a column away')
    .option('--widen <"column type">', 'a type that holds more: integer to long', pair(' '))
    .option('--not-null <column>', 'refuse nulls; the rows there are checked')
    .option('--nullable <column>', 'allow nulls')
    .option('--comment <"column text">', 'describe a column', pair(' '))
    .option(
      '--add-constraint <name=expression>',
      'what each row must satisfy (Spark SQL); the rows there are checked',
      pair('='),
    )
    .option('--drop-constraint <name>', 'ask it no longer')
    .option('--set <property=value>', 'a property, such as delta.appendOnly=true; may be repeated', pair('='))
    .option('--unset <properties>', 'properties back to their defaults, with commas between them', names)
    .option('--force', forceText)
    .addHelpText(
      'after',
      '\nExamples:\n  lake table alter /data/orders --add "note string" --add "price decimal(10,2)"\n' +
        '  lake table alter /data/orders --add-constraint "positive=price > 0"\n' +
        '  lake table alter /data/orders --set delta.columnMapping.mode=name',
    )
    .action(async (name: string, flags: TargetFlags & AlterFlags) => {
      const { force = false, ...wanted } = flags
      const change = changeOf(wanted)
      const target = await targetTable(name, { force }, cli)
      await reportWrite(target, await change(target, cli), cli)
    })
}

type TableChange = (table: DeltaTable, cli: CommandLine) => Promise<WriteOutcome>

/** One kind of change, so that it is one commit: nothing is half done. */
function changeOf(flags: AlterFlags): TableChange {
  const given = alterations.flatMap((alteration) => alteration(flags) ?? [])
  const [change] = given
  if (change !== undefined && given.length === 1) return change
  throw new LakeError(
    'USAGE',
    `Expected one kind of change, got ${given.length === 0 ? 'none' : given.length}`,
    {
      details: { fix: '`lake table alter --help` lists them; several changes are several commands.' },
    },
  )
}

function alteration<Name extends keyof Alterations>(
  name: Name,
  change: (table: DeltaTable, value: Alterations[Name], cli: CommandLine) => Promise<WriteOutcome>,
): (flags: AlterFlags) => TableChange | undefined {
  return (flags) => {
    const value = flags[name]
    return value === undefined ? undefined : (table, cli) => change(table, value, cli)
  }
}

const alterations = [
  alteration('add', async (table, pairs, cli) => {
    const columns = []
    for (const [path, type] of pairs) columns.push({ path, type: await typeOf(type, cli) })
    return addColumns(table, columns, cli)
  }),
  alteration('rename', (table, pairs, { signal }) => {
    const [column, to] = only(pairs, '--rename')
    return renameColumn(table, column, to, { signal })
  }),
  alteration('drop', (table, column, { signal }) => dropColumn(table, column, { signal })),
  alteration('widen', async (table, pairs, { signal }) => {
    const [column, type] = only(pairs, '--widen')
    if (isPrimitive(type)) return widenColumn(table, column, type, { signal })
    throw new LakeError(
      'USAGE',
      `--widen ${column}: expected a type of Delta, such as long or decimal(20,2), got ${type}`,
    )
  }),
  alteration('notNull', (table, column, { signal }) => setNotNull(table, column, { signal })),
  alteration('nullable', (table, column, { signal }) => dropNotNull(table, column, { signal })),
  alteration('comment', (table, pairs, { signal }) => {
    const [column, text] = only(pairs, '--comment')
    return setComment(table, column, text, { signal })
  }),
  alteration('addConstraint', (table, pairs, { signal }) => {
    const [name, expression] = only(pairs, '--add-constraint')
    return addConstraint(table, name, expression, { signal })
  }),
  alteration('dropConstraint', (table, name, { signal }) => dropConstraint(table, name, { signal })),
  alteration('set', (table, pairs, { signal }) =>
    setProperties(table, Object.fromEntries(pairs), { signal }),
  ),
  alteration('unset', (table, properties, { signal }) => unsetProperties(table, properties, { signal })),
]

async function typeOf(type: string, { platform, signal }: CommandLine): Promise<DataType> {
  const lower = type.toLowerCase()
  if (isPrimitive(lower)) return lower
  return (await platform.duckdb()).use((session) => typeOfSql(session, type, { signal }))
}

function only(pairs: Pairs, flag: string): readonly [string, string] {
  const [first, ...further] = pairs
  if (first !== undefined && further.length === 0) return first
  throw new LakeError('USAGE', `${flag} was given ${pairs.length} times: expected one, for one commit`)
}

/** Two texts with the first `separator` between them. */
function pair(separator: ' ' | '='): (text: string, before?: Pairs) => Pairs {
  return (text, before = []) => {
    const given = text.trim()
    const at = given.indexOf(separator)
    if (at > 0 && at < given.length - 1) {
      return [...before, [given.slice(0, at).trim(), given.slice(at + 1).trim()]]
    }
    throw new InvalidArgumentError(
      `Expected two texts with ${separator === ' ' ? 'a blank' : '='} between them.`,
    )
  }
}
