/** Reports a failure on stderr: what failed and what to do about it. A stack trace only with --debug. */
import { inspect } from 'node:util'
import { CommanderError } from 'commander'
import { isLakeError, LakeError, messageOf, systemCode } from '../lib/base/errors.ts'
import { formatJson } from '../lib/base/json.ts'
import type { CommandLine } from './command-line.ts'
import { exitCodes } from './exit-codes.ts'
import { hintOf } from './hints.ts'
import { printable } from './output/printable.ts'

interface Shown {
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly exitCode: number
}

/** Writes the error and returns its exit code. */
export function reportError(error: unknown, cli: CommandLine, isInterrupted: boolean): number {
  const { terminal } = cli
  terminal.done()
  const failures = error instanceof AggregateError ? error.errors : [error]
  const shown = failures.map((failure) => describe(failure, cli.command))
  for (const { message, hint } of shown) {
    terminal.line(`lake: ${printable(oneLine(message))}`)
    if (!isInterrupted) terminal.line(`  → ${hint}`)
  }
  if (cli.isDebug) terminal.line(inspect(error, { depth: 6 }))
  if (cli.isJson) {
    for (const { code, message, hint } of shown) terminal.line(formatJson({ error: { code, message, hint } }))
  }
  return isInterrupted ? 130 : Math.max(1, ...shown.map(({ exitCode }) => exitCode))
}

/** DuckDB draws an arrow below the statement: the message is whole without that. */
function oneLine(message: string): string {
  return message
    .replace(/^Failed to \w+ statements: /, '')
    .replace(/\n\nLINE \d+: [\s\S]*$/, '')
    .replace(/\s*\n\s*/g, ' ')
}

function describe(error: unknown, command: string | undefined): Shown {
  const known = asLakeError(error)
  const hint = hintOf(known, { command })
  if (known === undefined) {
    return { code: 'BUG', message: `unexpected: ${messageOf(error)}`, hint, exitCode: exitCodes.BUG }
  }
  const { code, message } = known
  return { code, message, hint, exitCode: exitCodes[code] }
}

function asLakeError(error: unknown): LakeError | undefined {
  if (isLakeError(error)) return error
  if (error instanceof CommanderError) return new LakeError('USAGE', error.message)
  const options = { cause: error, details: { path: pathOf(error) } }
  switch (systemCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new LakeError('DISK_FULL', messageOf(error), options)
    case 'EMFILE':
    case 'ENFILE':
      return new LakeError('FILES_EXHAUSTED', messageOf(error), options)
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
      return new LakeError('FILE_UNWRITABLE', messageOf(error), options)
    case 'ENOENT':
      return new LakeError('FILE_MISSING', messageOf(error), options)
    case 'EADDRINUSE':
      return new LakeError('PORT_TAKEN', messageOf(error), options)
    default:
      return undefined
  }
}

/** The path that Node names in its errors. */
function pathOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'path' in error ? error.path : undefined
}
