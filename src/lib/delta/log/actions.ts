/**
 * The actions of a commit, and their JSON: one action a line, `{"add": {…}}`.
 *
 * The shapes are those of the file (Delta PROTOCOL.md, "Actions"), so that what we do not know is carried
 * through. Numbers are safe integers, except inside `stats`, which stays text.
 */

import { LakeError } from '../../base/errors.ts'
import { formatJson, type JsonValue, parseJson } from '../../base/json.ts'
import type { Metadata, Protocol, StringMap } from '../protocol/metadata.ts'
import { type Fields, knownInfo, requireFields } from './action-fields.ts'
import { requireWithinTable } from './file-path.ts'
import { openSeal, requireUnbroken, sealed } from './seal.ts'

export interface DeletionVector {
  readonly storageType: string
  readonly pathOrInlineDv: string
  readonly offset?: number
  readonly sizeInBytes: number
  readonly cardinality: number
}

export interface AddFile {
  /** Relative to the table, URI-encoded; or an absolute URI. */
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string | null>>
  readonly size: number
  readonly modificationTime: number
  readonly dataChange: boolean
  /** JSON text: `{numRecords, minValues, maxValues, nullCount}`. */
  readonly stats?: string
  readonly tags?: StringMap
  readonly deletionVector?: DeletionVector
}

export interface RemoveFile {
  readonly path: string
  readonly deletionTimestamp?: number
  readonly dataChange: boolean
  readonly extendedFileMetadata?: boolean
  readonly partitionValues?: Readonly<Record<string, string | null>>
  readonly size?: number
  readonly deletionVector?: DeletionVector
}

/** A file with the rows of a change. Only change data feeds read it. */
export interface ChangeFile {
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string | null>>
  readonly size: number
  readonly dataChange?: boolean
}

/** "The last version of an application that this table holds": how a sink knows what it has written. */
export interface Transaction {
  readonly appId: string
  readonly version: number
  readonly lastUpdated?: number
}

export interface DomainMetadata {
  readonly domain: string
  readonly configuration: string
  readonly removed: boolean
}

export interface CommitInfo {
  readonly timestamp?: number
  readonly inCommitTimestamp?: number
  readonly operation?: string
  readonly operationParameters?: Readonly<Record<string, JsonValue>>
  readonly operationMetrics?: Readonly<Record<string, JsonValue>>
  readonly readVersion?: number
  readonly isolationLevel?: string
  readonly isBlindAppend?: boolean
  readonly engineInfo?: string
  /** Unique to one attempt to commit: how a writer recognises its own commit after a lost answer. */
  readonly txnId?: string
  readonly tags?: StringMap
}

export type Action =
  | { readonly commitInfo: CommitInfo }
  | { readonly protocol: Protocol }
  | { readonly metaData: Metadata }
  | { readonly add: AddFile }
  | { readonly remove: RemoveFile }
  | { readonly txn: Transaction }
  | { readonly domainMetadata: DomainMetadata }
  | { readonly cdc: ChangeFile }

const actionNames = [
  'commitInfo',
  'protocol',
  'metaData',
  'add',
  'remove',
  'txn',
  'domainMetadata',
  'cdc',
] as const

/** Any action by its name: `actionOf(action, 'add')?.path`. */
export type ActionName = (typeof actionNames)[number]

/** JSON lines, in the order given; sealed where a `commitInfo` comes first. */
export function encodeActions(actions: readonly Action[]): Uint8Array {
  const [first, ...others] = actions
  if (first !== undefined && 'commitInfo' in first) {
    return sealed(jsonLines([{ commitInfo: { ...openSeal, ...first.commitInfo } }, ...others]))
  }
  return new TextEncoder().encode(jsonLines(actions))
}

function jsonLines(actions: readonly Action[]): string {
  return actions.map((action) => `${formatJson(action)}\n`).join('')
}

/**
 * Actions of kinds that we do not know are left out, as the protocol asks.
 *
 * @throws LakeError `LOG_CORRUPT` naming the file and the line.
 */
export function decodeActions(bytes: Uint8Array, file: string): readonly Action[] {
  const actions: Action[] = []
  const lines = new TextDecoder().decode(bytes).split('\n')
  lines.forEach((line, index) => {
    if (line.trim() === '') return
    const action = decodeAction(line, `${file}, line ${index + 1}`)
    if (action !== undefined) actions.push(action)
  })
  return actions
}

/**
 * The actions of a whole file of the log.
 *
 * @throws LakeError `LOG_CORRUPT` where there is nothing in it, and as `decodeActions` and `requireUnbroken` do.
 */
export function decodeLogFile(bytes: Uint8Array, file: string): readonly Action[] {
  requireUnbroken(bytes, file)
  if (bytes.every((byte) => byte <= space)) {
    throw new LakeError('LOG_CORRUPT', `${file}: it is empty`, {
      details: { file, fault: 'log-file-damaged' },
    })
  }
  return decodeActions(bytes, file)
}

/** What is not above it in ASCII is blank. */
const space = 0x20

function decodeAction(line: string, where: string): Action | undefined {
  let value: JsonValue
  try {
    // Digits within `stats`, which stays text, are no numbers: the quotes around their names are escaped.
    value = longNumber.test(line) ? parseJson(line, where) : (JSON.parse(line) as JsonValue)
  } catch (error) {
    throw new LakeError('LOG_CORRUPT', `${where}: not JSON`, { cause: error, details: { where } })
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new LakeError('LOG_CORRUPT', `${where}: expected an object`, { details: { where } })
  }
  const fields = value as Fields
  const [name, ...more] = actionNames.filter((candidate) => (fields[candidate] ?? null) !== null)
  if (name === undefined) return undefined
  const body = fields[name]
  if (more.length > 0 || !isObject(body)) {
    const expected =
      more.length > 0 ? `one action, got ${name} and ${more.join(', ')}` : `${name} as an object`
    throw new LakeError('LOG_CORRUPT', `${where}: expected ${expected}`, { details: { where } })
  }
  return decodeBody(name, body, where)
}

/**
 * @throws LakeError `LOG_CORRUPT` naming the field that is missing, holds something else, or names a file outside of
 * the table.
 */
export function decodeBody(name: ActionName, fields: Fields, where: string): Action {
  const body: Record<string, JsonValue> = withoutNulls(fields)
  const vector = body['deletionVector']
  if (isObject(vector)) {
    const fields = withoutNulls(vector)
    requireFields(fields, 'deletionVector', where)
    body['deletionVector'] = fields
  }
  const { configuration } = body
  // A property without a value is none.
  if (name === 'metaData' && isObject(configuration)) body['configuration'] = withoutNulls(configuration)
  // The first writers left it out where there were no columns.
  if (name === 'metaData') body['schemaString'] ??= '{"type":"struct","fields":[]}'
  if (name === 'commitInfo') return { commitInfo: knownInfo(body, where) }
  requireFields(body, name, where)
  const action = { [name]: body } as unknown as Action
  if ('add' in action) requirePaths(action.add, `${where}: add`)
  if ('remove' in action) requirePaths(action.remove, `${where}: remove`)
  if ('cdc' in action) requirePaths(action.cdc, `${where}: cdc`)
  return action
}

/** Those of a file and of its deletion vector, also where nobody reads them. */
function requirePaths(
  { path, deletionVector }: { readonly path: string; readonly deletionVector?: DeletionVector },
  where: string,
): void {
  requireWithinTable(path, `${where}.path`)
  if (deletionVector === undefined) return
  const { storageType, pathOrInlineDv } = deletionVector
  if (storageType === 'p') requireWithinTable(pathOrInlineDv, `${where}.deletionVector`)
  // A folder, not encoded, before the 20 characters of a UUID.
  const folder = storageType === 'u' ? pathOrInlineDv.slice(0, -20) : ''
  if (folder !== '') requireWithinTable(`${folder.replaceAll('%', '%25')}/file`, `${where}.deletionVector`)
}

/** A number that `JSON.parse` would round. */
const longNumber = /(?<!\\)":\s*-?\d{16}/

function isObject(value: JsonValue | undefined): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Writers put null for what is absent; we have one way to say absent. Nulls further down keep their meaning. */
function withoutNulls(body: Fields): Record<string, JsonValue> {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))
}
