/** `lake table optimize|vacuum|verify|restore|clone|checkpoint`: maintains the files and versions of a table. */

import { type Command, InvalidArgumentError } from 'commander'
import { countOf } from '../../lib/base/count-of.ts'
import { LakeError } from '../../lib/base/errors.ts'
import { cloneDeep, optimize, restore, vacuum, verifyFiles } from '../../lib/delta/index.ts'
import { noteVacuumed } from '../../pipeline/query/candidate.ts'
import { existingRuns } from '../../pipeline/query/existing-runs.ts'
import { locateTable } from '../../pipeline/query/locate.ts'
import { isoTime, names, positiveNumber, wholeNumber } from '../arguments.ts'
import type { CommandLine } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import { forceText, reportWrite, type TargetFlags, tableArgument, targetTable } from './table-target.ts'

interface OptimizeFlags {
  readonly where?: string
  readonly zorderBy?: readonly string[]
  readonly targetSize?: number
  readonly full?: boolean
}

interface VacuumFlags {
  readonly retainHours?: number
  readonly dryRun?: boolean
  readonly force?: boolean
}

interface VersionFlags {
  readonly version?: number
  readonly timestamp?: number
}

type RestoreFlags = TargetFlags & VersionFlags

const hourMs = 3_600_000

export function addTableMaintain(table: Command, cli: CommandLine): void {
  table
    .command('optimize')
    .summary('make few large files of many small ones')
    .description(
      'Writes small files together, or puts rows that are near in some columns near in the files, so that reads skip ' +
        'more. Rows stay as they are, and writers are not held up.',
    )
    .argument('<table>', tableArgument)
    .option('--where <expression>', 'only partitions for which this SQL over partition columns is true')
    .option('--zorder-by <columns>', 'order rows along a Z-curve through these columns', names)
    .option(
      '--target-size <bytes>',
      'size of a file, such as 64MB; delta.targetFileSize or 128 MiB without it',
      byteSize,
    )
    .option('--full', 'order also the files that are in this order already')
    .addHelpText(
      'after',
      '\nExamples:\n  lake table optimize silver/events\n  lake table optimize /data/orders --zorder-by customer,day',
    )
    .action((name: string, flags: OptimizeFlags) => optimizeTable(name, flags, cli))

  table
    .command('vacuum')
    .summary('delete files that no version within the retention needs')
    .description(
      'Deletes files that neither the newest version nor one within the retention (delta.deletedFileRetentionDuration, ' +
        'a week by default) needs. Older versions can no longer be read then.',
    )
    .argument('<table>', tableArgument)
    .option('--retain-hours <hours>', 'another retention than that of the table', positiveNumberOrZero)
    .option('--dry-run', 'name the files and delete none')
    .option('--force', 'allow a shorter retention: readers and writers of that age lose files that they need')
    .addHelpText(
      'after',
      '\nExamples:\n  lake table vacuum silver/events --dry-run\n  lake table vacuum /data/orders --retain-hours 240',
    )
    .action((name: string, flags: VacuumFlags) => vacuumTable(name, flags, cli))

  table
    .command('verify')
    .summary('whether the bytes of data files are those that were written')
    .description(
      'Reads every data file of a version and compares its size and its checksum with what its commit says. Files of other ' +
        'writers have no checksum: their size alone is compared. Exits 1 where a file is gone or has changed.',
    )
    .argument('<table>', tableArgument)
    .option('--version <number>', 'another version than the newest', wholeNumber())
    .addHelpText(
      'after',
      '\nExamples:\n  lake table verify silver/events\n  lake table verify /data/orders --json',
    )
    .action((name: string, flags: Pick<VersionFlags, 'version'>) => verifyTable(name, flags, cli))

  table
    .command('restore')
    .summary('bring an older version back, as a new one')
    .description(
      'Commits a new version with the rows, columns and properties of an older one. No version is lost.',
    )
    .argument('<table>', tableArgument)
    .option('--version <number>', 'that version', wholeNumber())
    .option(
      '--timestamp <time>',
      'the newest version at this time: ISO 8601, UTC where it names no zone',
      isoTime,
    )
    .option('--force', forceText)
    .addHelpText('after', '\nExamples:\n  lake table restore /data/orders --version 12')
    .action(async (name: string, { version, timestamp, force = false }: RestoreFlags) => {
      if ((version === undefined) === (timestamp === undefined)) {
        throw new LakeError('USAGE', 'Expected either --version NUMBER or --timestamp TIME')
      }
      const target = await targetTable(name, { force }, cli)
      const outcome = await restore(target, {
        ...(version !== undefined && { version }),
        ...(timestamp !== undefined && { timestampMs: timestamp }),
        signal: cli.signal,
      })
      await reportWrite(target, outcome, cli)
    })

  table
    .command('clone')
    .summary('copy a table, files and all, to another place')
    .description(
      'Copies the rows, columns and properties of one version to a table of its own, with its own files and history. ' +
        'What applications have written (--txn) is not copied.',
    )
    .argument('<source>', tableArgument)
    .argument('<target>', 'a path or a URI where there is no table yet')
    .option('--version <number>', 'that version; the newest without it', wholeNumber())
    .option(
      '--timestamp <time>',
      'the newest version at this time: ISO 8601, UTC where it names no zone',
      isoTime,
    )
    .addHelpText(
      'after',
      '\nExamples:\n  lake table clone silver/events /data/events-copy\n  lake table clone /data/orders s3://archive/orders --version 12',
    )
    .action((source: string, target: string, flags: VersionFlags) => cloneTable(source, target, flags, cli))

  table
    .command('checkpoint')
    .summary('write the state of the table as one file')
    .description(
      'Writes a checkpoint of the newest version, from which tables open fast. Writers do so now and then by themselves.',
    )
    .argument('<table>', tableArgument)
    .addHelpText('after', '\nExamples:\n  lake table checkpoint bronze/events')
    .action(async (name: string) => {
      const { platform, signal } = cli
      const target = await locateTable(platform, name, { signal })
      const version = await target.checkpoint({ signal })
      await cli.result({ table: target.uri, version }, () => `checkpoint of version ${version} written`)
    })
}

async function cloneTable(
  from: string,
  to: string,
  { version, timestamp }: VersionFlags,
  cli: CommandLine,
): Promise<void> {
  if (version !== undefined && timestamp !== undefined) {
    throw new LakeError('USAGE', 'Both --version and --timestamp say which version: expected one of them')
  }
  const { platform, signal } = cli
  const source = await locateTable(platform, from, { signal })
  const target = await locateTable(platform, to, { orNew: true, signal })
  const outcome = await cloneDeep(source, target, { version, timestampMs: timestamp, signal })
  await reportWrite(target, outcome, cli)
}

async function optimizeTable(
  name: string,
  { where, zorderBy, targetSize, full = false }: OptimizeFlags,
  cli: CommandLine,
): Promise<void> {
  const { platform, signal, terminal } = cli
  const target = await locateTable(platform, name, { signal })
  const outcome = await optimize(target, {
    ...(where !== undefined && { where }),
    ...(zorderBy !== undefined && { zOrderBy: zorderBy }),
    ...(targetSize !== undefined && { targetFileBytes: targetSize }),
    full,
    onProgress: ({ removedFiles, addedFiles }) =>
      terminal.progress(() => `optimize: ${removedFiles} files into ${addedFiles}`),
    signal,
  })
  const { version, commits, removedFiles, removedBytes, addedFiles, addedBytes } = outcome
  await cli.result({ table: target.uri, ...outcome }, () =>
    commits === 0
      ? `nothing to do at version ${version}`
      : `version ${version}: ${countOf(removedFiles, 'file')} of ${removedBytes} bytes into ${addedFiles} of ${addedBytes}`,
  )
}

async function vacuumTable(
  name: string,
  { retainHours, dryRun = false, force = false }: VacuumFlags,
  cli: CommandLine,
): Promise<void> {
  const { platform, signal, terminal } = cli
  const target = await locateTable(platform, name, { signal })
  const outcome = await vacuum(target, {
    retentionMs: retainHours === undefined ? undefined : retainHours * hourMs,
    dryRun,
    force,
    onProgress: (removed, of) => terminal.progress(() => `vacuum: ${removed} of ${of} files`),
    signal,
  })
  const { files, sizeBytes } = outcome
  if (!dryRun && files.length > 0) await noteCandidates(cli)
  await cli.result({ table: target.uri, dryRun, ...outcome }, () =>
    [
      ...(dryRun ? files : []),
      `${dryRun ? 'would delete' : 'deleted'} ${countOf(files.length, 'file')} of ${sizeBytes} bytes`,
    ].join('\n'),
  )
}

/** Which refused versions can no longer be looked at. */
async function noteCandidates({ platform, signal }: CommandLine): Promise<void> {
  const runs = await existingRuns(platform)
  if (runs !== undefined) await noteVacuumed((name) => platform.table(name), runs.candidates, { signal })
}

async function verifyTable(
  name: string,
  { version }: Pick<VersionFlags, 'version'>,
  cli: CommandLine,
): Promise<void> {
  const { platform, signal, terminal } = cli
  const target = await locateTable(platform, name, { signal })
  const outcome = await verifyFiles(target, {
    version,
    onProgress: (verified, of) => terminal.progress(() => `verify: ${verified} of ${of} files`),
    signal,
  })
  const { files, unsealed, broken } = outcome
  await cli.result({ table: target.uri, ...outcome }, () =>
    [
      ...broken.map(({ path, problem }) => `${problem.padEnd(8)}  ${printable(path)}`),
      `version ${outcome.version}: ${countOf(files, 'file')}, ${broken.length} broken, ${unsealed} without a checksum`,
    ].join('\n'),
  )
  if (broken.length > 0) cli.exitCode = 1
}

function positiveNumberOrZero(text: string): number {
  return text.trim() === '0' ? 0 : positiveNumber(text)
}

const units: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }

/** `64MB`, in powers of 1024. */
function byteSize(text: string): number {
  const { number, unit = '' } =
    /^(?<number>\d+(?:\.\d+)?)\s*(?<unit>[kmg])?i?b?$/i.exec(text.trim())?.groups ?? {}
  const bytes = Math.round(Number(number) * (units[unit.toLowerCase()] ?? Number.NaN))
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes
  throw new InvalidArgumentError('Expected a size such as 64MB.')
}
