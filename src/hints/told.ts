/** A failure as people are told of it: what failed, and what to do about it. */
import { type ErrorCode, isLakeError, LakeError, messageOf, systemCode } from '../lib/base/errors.ts'
import { hintOf } from './hints.ts'

export interface Told {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
}

/** @param more facts that the error does not have: the command that failed. Total. */
export function told(error: unknown, more: Readonly<Record<string, unknown>> = {}): Told {
  const known = knownFailure(error)
  const hint = hintOf(known, more)
  if (known === undefined) return { code: 'BUG', message: `unexpected: ${messageOf(error)}`, hint }
  return { code: known.code, message: known.message, hint }
}

/** A failure of ours, or one of the system that has a code of ours; `undefined` is a bug. */
export function knownFailure(error: unknown): LakeError | undefined {
  if (isLakeError(error)) return error
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

/** A message on one line. DuckDB draws an arrow below the statement: the message is whole without that. */
export function oneLine(message: string): string {
  return message
    .replace(/^Failed to \w+ statements: /, '')
    .replace(/\n\nLINE \d+: [\s\S]*$/, '')
    .replace(/\s*\n\s*/g, ' ')
}

/** The line of a statement at which DuckDB's arrow points, where the message has one. */
export function pointedLine(message: string): { readonly line: number; readonly text: string } | undefined {
  const found = /\n\nLINE (?<line>\d+): (?<text>.*)/.exec(message)?.groups
  return found && { line: Number(found['line']), text: (found['text'] ?? '').trim() }
}
