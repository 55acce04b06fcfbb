/**
 * Runs one command, from its arguments to its exit code, in any process.
 *
 * 0: done, also if a long-running command was asked to end, or if the reader of stdout has gone. 1: data or a task
 * failed. 2: usage, configuration or infrastructure. 130: a finite command was interrupted.
 */
import { CommanderError } from 'commander'
import { isLakeError } from '../lib/base/errors.ts'
import { type CliIo, CommandLine } from './command-line.ts'
import { reportError } from './failure.ts'
import { StdoutClosed } from './output/output.ts'
import { commandAt, createProgram } from './program.ts'

/** Never throws, never ends the process, and closes all that the command has opened. */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  const cli = new CommandLine(io)
  const program = await createProgram(cli, argv)
  let exitCode = 0
  try {
    // Commander shows the help of the command above one that is not there.
    const command = commandAt(program, argv)
    await program.parseAsync(command.name() === 'sql' ? withStatement(argv) : argv, { from: 'user' })
    exitCode = cli.exitCode
  } catch (error) {
    exitCode = fail(error, cli)
  }
  try {
    await cli.close()
  } catch (error) {
    exitCode = Math.max(exitCode, fail(error, cli))
  }
  return exitCode
}

/** A statement may begin with a comment, which is no option: a blank before it changes nothing. */
function withStatement(argv: readonly string[]): readonly string[] {
  return argv.map((word) => (/^--([^=\s]*\s|.*\n)/.test(word) ? ` ${word}` : word))
}

function fail(error: unknown, cli: CommandLine): number {
  if (error instanceof StdoutClosed) return 0
  // Help and version were asked for, and have been written.
  if (error instanceof CommanderError && error.exitCode === 0) return 0
  const { signal } = cli.io
  const isInterrupted = signal.aborted && (error === signal.reason || isLakeError(error, 'INTERRUPTED'))
  if (isInterrupted && cli.isEndless) return 0
  return reportError(error, cli, isInterrupted)
}
