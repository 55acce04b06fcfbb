/**
 * Logs of attempts as files of one line a record, in JSON: `RUN/NODE.ATTEMPT.ndjson`.
 *
 * Each line is given to the system before the call returns. So it survives the process, also one that is killed or
 * runs out of memory, and memory does not grow with the log.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import { type Clock, systemClock } from '../../base/clock.ts'
import { isLakeError, messageOf } from '../../base/errors.ts'
import { privateMode } from '../../base/files/folders.ts'
import { formatJson } from '../../base/json.ts'
import { type Logger, silentLogger } from '../../base/log.ts'
import type { AttemptLog, AttemptLogs, AttemptPlace } from '../../dag/attempt-log.ts'
import { redactor } from './redact.ts'

export interface AttemptFilesOptions {
  readonly directory: string
  /** Texts that are in no log: passwords, tokens. */
  readonly secrets?: readonly string[]
  readonly clock?: Clock
  /** Told if a log cannot be kept. */
  readonly logger?: Logger
  /** Told of each line: the bytes that the file has with it. At the end it is waited for. */
  readonly onWritten?: (place: AttemptPlace) => { wrote(bytes: number): void; close(): Promise<void> }
}

export function logFileOf(directory: string, { runId, node, attempt }: AttemptPlace): string {
  return join(directory, String(runId), `${encodeURIComponent(node)}.${attempt}.ndjson`)
}

export function createAttemptFiles({
  directory,
  secrets = [],
  clock = systemClock,
  logger = silentLogger,
  onWritten,
}: AttemptFilesOptions): AttemptLogs {
  const redact = redactor(secrets)
  return {
    open(place) {
      const path = logFileOf(directory, place)
      const fail = (error: unknown): void =>
        logger.warn({ path, reason: messageOf(error) }, 'The log of an attempt cannot be kept')
      let file: number
      try {
        mkdirSync(dirname(path), { recursive: true, mode: privateMode })
        // An attempt is opened once: what is there is of an older store, whose runs had the same numbers.
        file = openSync(path, 'w', 0o600)
      } catch (error) {
        fail(error)
        return { logger: silentLogger, close: async () => undefined }
      }
      return openLog(file, redact, clock, { fail, ...(onWritten && { written: onWritten(place) }) })
    },
  }
}

function openLog(
  file: number,
  redact: (line: string) => string,
  clock: Clock,
  {
    fail,
    written,
  }: {
    readonly fail: (error: unknown) => void
    readonly written?: ReturnType<NonNullable<AttemptFilesOptions['onWritten']>>
  },
): AttemptLog {
  let isOpen = true
  const write = (line: string): void => {
    if (!isOpen) return
    try {
      const bytes = Buffer.from(redact(line))
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
      written?.wrote(bytes.length)
    } catch (error) {
      // The work goes on without its log: of a full disk it will say so itself.
      isOpen = false
      fail(error)
    }
  }
  return {
    logger: pino(
      {
        level: 'debug',
        base: null,
        messageKey: 'message',
        timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { err: errorRecord },
      },
      { write },
    ),
    close: async () => {
      isOpen = false
      closeSync(file)
      await written?.close()
    },
  }
}

/** An error with its causes: the log is where somebody looks for all of it. */
function errorRecord(error: unknown): object {
  const cause = error instanceof Error ? error.cause : undefined
  return {
    ...(isLakeError(error) && { code: error.code }),
    message: messageOf(error),
    ...(isLakeError(error) && Object.keys(error.details).length > 0 && { details: plain(error.details) }),
    ...(error instanceof Error && error.stack !== undefined && { stack: error.stack }),
    ...(cause !== undefined && { cause: errorRecord(cause) }),
  }
}

/** Details may hold integers that JSON's own writer refuses. */
function plain(details: Readonly<Record<string, unknown>>): unknown {
  return JSON.parse(
    JSON.stringify(details, (_, value: unknown) => (typeof value === 'bigint' ? formatJson(value) : value)),
  )
}
