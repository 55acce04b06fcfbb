/** Pino on stderr: JSON lines for machines, one readable line for people at a terminal. */
import { type Logger as PinoLogger, pino, stdSerializers, stdTimeFunctions } from 'pino'
import { hintOf } from '../hints/hints.ts'
import { isLakeError, messageOf } from '../lib/base/errors.ts'
import { formatJson, parseJson } from '../lib/base/json.ts'
import type { Config } from '../pipeline/platform/config.ts'
import { printable } from './output/printable.ts'
import type { Terminal } from './output/terminal.ts'

export interface LogOptions {
  readonly level: Config['logLevel']
  /** Errors with their stack traces. */
  readonly hasStacks: boolean
}

export function createLogger(terminal: Terminal, { level, hasStacks }: LogOptions): PinoLogger {
  const write = terminal.isTty
    ? (line: string): void => terminal.line(readable(line))
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

/** `12:00:00 WARN  message key=value`. */
function readable(line: string): string {
  const entry = parseJson(line, 'log line')
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return line.trimEnd()
  const { time, level, msg, err, ...rest } = Object.fromEntries(Object.entries(entry))
  const { message, hint }: Readonly<Record<string, unknown>> =
    typeof err === 'object' && err !== null ? Object.fromEntries(Object.entries(err)) : {}
  const cause = message === undefined ? [] : [`: ${String(message)}`]
  const fix = hint === undefined ? [] : [` → ${String(hint)}`]
  const details = Object.entries(rest).map(
    ([name, value]) => ` ${name}=${typeof value === 'object' ? formatJson(value) : String(value)}`,
  )
  const clock = String(time).slice(11, 19)
  return printable(
    `${clock} ${String(level).toUpperCase().padEnd(5)} ${String(msg)}${[...cause, ...details, ...fix].join('')}`,
  )
}
