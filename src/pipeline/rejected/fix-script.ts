/**
 * A script that repairs rejected messages: a module in TypeScript or JavaScript whose default export takes a message and
 * returns what is to be sent in its place.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { LakeError, messageOf } from '../../lib/base/errors.ts'
import type { Header, NewMessage } from '../../lib/eventlog/eventlog.ts'
import { keyOfLine } from '../producer/lines.ts'
import { type Letter, valueText } from './letters.ts'

/** What a script is given. */
export interface FixInput extends Omit<Letter, 'appendedMs' | 'ingestedAt'> {
  /** The value as text; `null` if it has none, or is not UTF-8. */
  readonly text: string | null
  /** When the log appended the message. */
  readonly timestamp: Date
}

/** A text or bytes are the new value. The key and the headers stay, unless an object names others. */
export type FixOutput =
  | string
  | Uint8Array
  | {
      readonly value: string | Uint8Array
      readonly key?: string | Uint8Array | null
      readonly headers?: readonly Header[]
    }
  /** The message stays as it is, and is not sent. */
  | undefined

export type Fix = (message: FixInput) => FixOutput | Promise<FixOutput>

export interface FixScript {
  /** As it was given. */
  readonly path: string
  /** SHA-256 of the file, so that a record says which script it was. */
  readonly hash: string
  readonly fix: Fix
}

/** @throws LakeError `FILE_MISSING`; `SOURCE_FAILED` if the file is no module with a function as its default export. */
export async function loadFixScript(path: string): Promise<FixScript> {
  const file = resolve(path)
  const text = await readFile(file).catch((error: unknown) => {
    throw new LakeError('FILE_MISSING', `fix script ${path}: ${messageOf(error)}`, { cause: error })
  })
  const loaded = await importScript(file).catch((error: unknown) => {
    throw new LakeError('SOURCE_FAILED', `fix script ${path}: ${messageOf(error)}`, {
      cause: error,
      details: { fault: 'fix-script' },
    })
  })
  const fix = defaultOf(loaded)
  if (fix === undefined) {
    throw new LakeError('SOURCE_FAILED', `fix script ${path}: expected a function as its default export`, {
      details: { fault: 'fix-script' },
    })
  }
  return { path, hash: createHash('sha256').update(text).digest('hex'), fix }
}

/** Node 20 reads no TypeScript by itself. */
async function importScript(file: string): Promise<unknown> {
  const { href } = pathToFileURL(file)
  if (!/\.[cm]?tsx?$/.test(file)) return import(href)
  const { tsImport } = await import('tsx/esm/api')
  return tsImport(href, import.meta.url)
}

/** A file that Node takes for CommonJS has its exports one level deeper. */
function defaultOf(module: unknown): Fix | undefined {
  for (let value = module, depth = 0; depth < 3; depth++) {
    if (typeof value === 'function') return value as Fix
    if (typeof value !== 'object' || value === null || !('default' in value)) return undefined
    value = value.default
  }
  return undefined
}

/**
 * The message that is to be sent in place of a letter; `undefined` if the script leaves it.
 *
 * @throws whatever the script throws, and LakeError `SOURCE_FAILED` for an output that is none.
 */
export async function fixed(fix: Fix | undefined, letter: Letter): Promise<NewMessage | undefined> {
  const { appendedMs, ingestedAt: _, ...message } = letter
  const output =
    fix === undefined
      ? letter
      : await fix({ ...message, text: valueText(letter.value), timestamp: new Date(appendedMs) })
  if (output === undefined) return undefined
  const given = typeof output === 'string' || output instanceof Uint8Array ? { value: output } : output
  if (typeof given !== 'object' || given === null) throw notAnOutput(output)
  const value = bytesOf(given.value)
  if (value === undefined) throw notAnOutput(given.value)
  const key = 'key' in given && given.key !== undefined ? bytesOf(given.key) : letter.key
  if (key === undefined) throw notAnOutput(given.key)
  const headers = 'headers' in given && given.headers !== undefined ? given.headers : letter.headers
  return { value, key: key ?? (value && keyOfLine(value)), headers }
}

function notAnOutput(output: unknown): LakeError {
  return new LakeError(
    'SOURCE_FAILED',
    `expected a text, bytes, { value, key, headers } or undefined, got ${output === null ? 'null' : typeof output}`,
  )
}

function bytesOf(value: unknown): Uint8Array | null | undefined {
  if (typeof value === 'string') return Buffer.from(value)
  return value instanceof Uint8Array || value === null ? value : undefined
}
