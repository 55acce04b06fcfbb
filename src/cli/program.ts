/** The command line as a whole: all commands, and the options that they share. */
import { Command, type CommanderError } from 'commander'
import { didYouMean } from '../hints/nearest.ts'
import { LakeError } from '../lib/base/errors.ts'
import { packageVersion } from '../lib/base/package-version.ts'
import type { CommandLine } from './command-line.ts'

/** Loads a module of commands, with all that they work with, and returns what adds them. */
type Load = () => Promise<(program: Command, cli: CommandLine) => void>

/** By noun, in the order of the help. */
const nouns: Readonly<Record<string, Load>> = {
  up: async () => (await import('./commands/up.ts')).addUp,
  console: async () => (await import('./commands/console.ts')).addConsole,
  doctor: async () => (await import('./commands/doctor.ts')).addDoctor,
  produce: async () => (await import('./commands/produce.ts')).addProduce,
  land: async () => (await import('./commands/land.ts')).addLand,
  realtime: async () => (await import('./commands/realtime.ts')).addRealtime,
  stream: async () => (await import('./stream/stream.ts')).addStream,
  batch: async () => (await import('./commands/batch.ts')).addBatch,
  backfill: async () => (await import('./commands/backfill.ts')).addBackfill,
  schedule: async () => (await import('./commands/schedule.ts')).addSchedule,
  runs: async () => (await import('./runs/runs.ts')).addRuns,
  release: async () => (await import('./commands/release.ts')).addRelease,
  alerts: async () => (await import('./commands/alerts.ts')).addAlerts,
  check: async () => (await import('./commands/check.ts')).addCheck,
  ledger: async () => (await import('./commands/ledger.ts')).addLedger,
  reconcile: async () => (await import('./commands/reconcile.ts')).addReconcile,
  explain: async () => (await import('./commands/explain.ts')).addExplain,
  trace: async () => (await import('./commands/trace.ts')).addTrace,
  table: async () => (await import('./table/table.ts')).addTable,
  sql: async () => (await import('./commands/sql.ts')).addSql,
  notebook: async () => (await import('./notebook/notebook.ts')).addNotebook,
  rejected: async () => (await import('./rejected/rejected.ts')).addRejected,
}

/** What the noun among the words needs, so that a command starts as fast as its own parts load; without one, all. */
function loadsFor(words: readonly string[]): readonly Load[] {
  const noun = words.find((word) => !word.startsWith('-')) ?? ''
  const load = Object.hasOwn(nouns, noun) ? nouns[noun] : undefined
  return load === undefined ? Object.values(nouns) : [load]
}

/**
 * With the command that the words name, or with all commands where they name none. Parsing throws a LakeError `USAGE`,
 * or a CommanderError with exit code 0 once help was written.
 */
export async function createProgram(cli: CommandLine, words: readonly string[]): Promise<Command> {
  const { stdout, stderr } = cli.io
  const program = new Command('lake')
    .description(
      'A lakehouse whose books balance: events through a log into Delta tables and ClickHouse.\n' +
        'Settings are environment variables; LAKE_HOME (default .lake) holds all that is written.',
    )
    .version(packageVersion(), '--version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    // `table read --version 3` is not about the version of the program.
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      outputError: () => undefined,
      getOutHelpWidth: () => 110,
      getErrHelpWidth: () => 110,
    })
    .addHelpText(
      'after',
      '\nExamples:\n  lake produce --count 20000 --history-days 2\n  lake land --drain\n  lake table read bronze/events --limit 5\n\n' +
        'Exit codes: 0 done; 1 data or a task failed; 2 usage, configuration or infrastructure; 130 interrupted;\n143 or 137: ended at once, ten seconds after it was asked to.',
    )
  for (const add of await Promise.all(loadsFor(words).map((load) => load()))) add(program, cli)
  program.hook('preAction', (_program, command) => {
    cli.command = pathTo(command)
  })
  addHelp(program)
  addSharedOptions(program, cli)
  nameFaults(program, [])
  return program
}

/** Commander's own `help` knows the first level alone. */
function addHelp(program: Command): void {
  program
    .command('help [command...]')
    .description('Shows the help of a command, as --help does.')
    .summary('the help of a command')
    .addHelpText('after', '\nExamples:\n  lake help table read')
    .action((path: readonly string[]) => {
      const named = commandAt(program, path)
      named.help()
    })
}

/**
 * The command that the words name, and the words up to it.
 *
 * @throws LakeError `USAGE` for a word that is no command, with those that are near.
 */
export function commandAt(program: Command, words: readonly string[]): Command {
  let command = program
  for (const word of words) {
    if (word.startsWith('-')) continue
    if (command.commands.length === 0) return command
    const found = command.commands.find((sub) => sub.name() === word)
    if (found === undefined) throw unknownCommand(command, word)
    command = found
  }
  return command
}

function unknownCommand(above: Command, word: string): LakeError {
  const known = above.commands.map((command) => command.name())
  const path = pathTo(above)
  const fix =
    didYouMean(word, known) ?? `The commands are ${known.join(', ')}; \`${path} --help\` explains them.`
  return new LakeError('USAGE', `${path === 'lake' ? '' : `${path}: `}unknown command '${word}'`, {
    details: { fix },
  })
}

function addSharedOptions(command: Command, cli: CommandLine): void {
  command
    .option('--json', 'results as JSON on stdout, everything else on stderr')
    .option('--debug', 'stack traces, and more in the logs')
    .on('option:json', () => {
      cli.isJson = true
    })
    .on('option:debug', () => {
      cli.isDebug = true
    })
  for (const sub of command.commands) addSharedOptions(sub, cli)
}

function pathTo(command: Command): string {
  return command.parent === null ? command.name() : `${pathTo(command.parent)} ${command.name()}`
}

/** Each command's faults name that command, and how to go on. */
function nameFaults(command: Command, above: readonly string[]): void {
  const path = [...above, command.name()]
  command.exitOverride((fault) => {
    if (fault.exitCode === 0) throw fault
    throw usageFault(fault, path.join(' '))
  })
  for (const sub of command.commands) nameFaults(sub, path)
}

function usageFault(fault: CommanderError, command: string): LakeError {
  // Commander has written the help already: a noun was given without a verb.
  if (fault.code === 'commander.help') {
    return new LakeError('USAGE', `${command}: expected a command`, {
      details: { fix: `Choose one of those above; \`${command} COMMAND --help\` explains it.` },
    })
  }
  const [message = '', suggestion] = fault.message.replace(/^error: /, '').split('\n')
  const fix = suggestion?.replace(/^\((?<text>.*)\)$/, '$<text>') ?? `See \`${command} --help\`.`
  return new LakeError('USAGE', message, { details: { fix }, cause: fault })
}
