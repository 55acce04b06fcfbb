/** Reports a failure on stderr: what failed and what to do about it. A stack trace only with --debug. */
import { inspect } from 'node:util'
import { CommanderError } from 'commander'
import { oneLine, told } from '../hints/told.ts'
import { LakeError } from '../lib/base/errors.ts'
import { formatJson } from '../lib/base/json.ts'
import type { CommandLine } from './command-line.ts'
import { exitCodes } from './exit-codes.ts'
import { printable } from './output/printable.ts'

/** Writes the error and returns its exit code. */
export function reportError(error: unknown, cli: CommandLine, isInterrupted: boolean): number {
  const { command, terminal } = cli
  terminal.done()
  const failures = error instanceof AggregateError ? error.errors : [error]
  const shown = failures.map((failure) => told(usageOf(failure), { command }))
  for (const { message, hint } of shown) {
    terminal.line(`lake: ${printable(oneLine(message))}`)
    if (!isInterrupted) terminal.line(`  → ${hint}`)
  }
  if (cli.isDebug) terminal.line(inspect(error, { depth: 6 }))
  if (cli.isJson) {
    for (const each of shown) terminal.line(formatJson({ error: each }))
  }
  return isInterrupted ? 130 : Math.max(1, ...shown.map(({ code }) => exitCodes[code]))
}

/** What the parser of the arguments refuses is wrong usage. */
function usageOf(error: unknown): unknown {
  return error instanceof CommanderError ? new LakeError('USAGE', error.message) : error
}
