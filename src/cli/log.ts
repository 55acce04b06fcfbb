/** Pino on stderr: JSON lines for machines, one readable line for people at a terminal. */
import { type Logger as PinoLogger, pino, stdSerializers, stdTimeFunctions } from 'pino'
import { hintOf } from '../hints/hints.ts'
import { isLakeError, messageOf } from '../lib/base/errors.ts'
import type { Config } from '../pipeline/platform/config.ts'
import { logRecordText } from './output/log-text.ts'
import type { Terminal } from './output/terminal.ts'

export interface LogOptions {
  readonly level: Config['logLevel']
  /** Errors with their stack traces. */
  readonly hasStacks: boolean
}

export function createLogger(terminal: Terminal, { level, hasStacks }: LogOptions): PinoLogger {
  const write = terminal.isTty
    ? (line: string): void => terminal.line(logRecordText(line) ?? line.trimEnd())
    : (line: string): void => terminal.line(line.trimEnd())
  return pino(
    {
      level,
      base: null,
      serializers: { err: hasStacks ? stdSerializers.err : plainError },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  )
}

function plainError(error: unknown): object {
  const message = messageOf(error)
  return isLakeError(error)
    ? { code: error.code, message, hint: hintOf(error), details: error.details }
    : { message }
}
