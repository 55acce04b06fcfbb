/**
 * Which fields an action has, and what each of them holds. Delta PROTOCOL.md, "Actions".
 *
 * A field that is not named here is carried through, whatever it holds.
 */
import { LakeError } from '../../base/errors.ts'
import { formatJson, type JsonValue } from '../../base/json.ts'
import type { ActionName } from './actions.ts'

export type Fields = Readonly<Record<string, JsonValue>>

interface Kind {
  /** For errors: `a whole number`. */
  readonly expected: string
  readonly holds: (value: JsonValue) => boolean
}

const isText = (value: JsonValue | undefined): boolean => typeof value === 'string'
const isObject = (value: JsonValue | undefined): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isTextOrNull = (value: JsonValue | undefined): boolean => value === null || isText(value)

const text: Kind = { expected: 'a text', holds: isText }
const truth: Kind = { expected: 'true or false', holds: (value) => typeof value === 'boolean' }
const whole: Kind = { expected: 'a whole number', holds: (value) => Number.isSafeInteger(value) }
/** 64 bits: those that a number would round are bigint. */
const long: Kind = {
  expected: 'a whole number',
  holds: (value) => Number.isSafeInteger(value) || typeof value === 'bigint',
}
const size: Kind = {
  expected: 'a whole number from 0 up',
  holds: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
}
const texts: Kind = {
  expected: 'a list of texts',
  holds: (value) => Array.isArray(value) && value.every(isText),
}
const textMap: Kind = {
  expected: 'an object of texts',
  holds: (value) => isObject(value) && Object.values(value).every(isTextOrNull),
}
const object: Kind = { expected: 'an object', holds: isObject }
const format: Kind = {
  expected: 'an object with the text provider, and options',
  holds: (value) =>
    isObject(value) &&
    isTextOrNull(value['provider'] ?? null) &&
    (value['options'] === undefined || value['options'] === null || textMap.holds(value['options'])),
}

interface Shape {
  readonly required: readonly string[]
  readonly kinds: Readonly<Record<string, Kind>>
}

const file = { path: text, partitionValues: textMap, size, tags: textMap }
const rowIds = { baseRowId: long, defaultRowCommitVersion: long }

const shapes: Readonly<Record<Exclude<ActionName, 'commitInfo'> | 'deletionVector', Shape>> = {
  protocol: {
    required: ['minReaderVersion', 'minWriterVersion'],
    kinds: { minReaderVersion: size, minWriterVersion: size, readerFeatures: texts, writerFeatures: texts },
  },
  metaData: {
    required: ['id', 'partitionColumns', 'configuration'],
    kinds: {
      id: text,
      name: text,
      description: text,
      format,
      schemaString: text,
      partitionColumns: texts,
      configuration: textMap,
      createdTime: long,
    },
  },
  add: {
    required: ['path', 'partitionValues', 'size'],
    kinds: {
      ...file,
      ...rowIds,
      modificationTime: long,
      dataChange: truth,
      stats: text,
      clusteringProvider: text,
      deletionVector: object,
    },
  },
  remove: {
    required: ['path'],
    kinds: {
      ...file,
      ...rowIds,
      deletionTimestamp: long,
      dataChange: truth,
      extendedFileMetadata: truth,
      stats: text,
      deletionVector: object,
    },
  },
  cdc: { required: ['path', 'partitionValues'], kinds: { ...file, dataChange: truth } },
  txn: { required: ['appId', 'version'], kinds: { appId: text, version: long, lastUpdated: long } },
  domainMetadata: {
    required: ['domain'],
    kinds: { domain: text, configuration: text, removed: truth },
  },
  deletionVector: {
    required: ['storageType', 'pathOrInlineDv', 'sizeInBytes', 'cardinality'],
    kinds: {
      storageType: text,
      pathOrInlineDv: text,
      offset: size,
      sizeInBytes: size,
      cardinality: size,
    },
  },
}

/** @throws LakeError `LOG_CORRUPT` naming the field that is missing, or holds something else. */
export function requireFields(body: Fields, of: keyof typeof shapes, where: string): void {
  const { required, kinds } = shapes[of]
  for (const name of required) {
    if (body[name] === undefined) {
      throw new LakeError('LOG_CORRUPT', `${where}: ${of} without ${name}`, { details: { where } })
    }
  }
  for (const [name, value] of Object.entries(body)) {
    if (value === undefined || !Object.hasOwn(kinds, name)) continue
    const kind = kinds[name]
    if (kind !== undefined && !kind.holds(value)) throw wrongType(`${where}: ${of}.${name}`, kind, value)
  }
}

const infoKinds: Readonly<Record<string, Kind>> = {
  timestamp: whole,
  inCommitTimestamp: whole,
  operation: text,
  operationParameters: object,
  operationMetrics: object,
  readVersion: whole,
  isolationLevel: text,
  isBlindAppend: truth,
  engineInfo: text,
  txnId: text,
  tags: textMap,
}

/**
 * A commit may say anything of itself: what is not what we know by that name is left out.
 *
 * @throws LakeError `LOG_CORRUPT` for an `inCommitTimestamp` that is none, which readers rely on.
 */
export function knownInfo(body: Fields, where: string): Fields {
  const isKnown = ([name, value]: readonly [string, JsonValue]): boolean =>
    !Object.hasOwn(infoKinds, name) || infoKinds[name]?.holds(value) !== false
  const time = body['inCommitTimestamp']
  if (time !== undefined && !whole.holds(time)) {
    throw wrongType(`${where}: commitInfo.inCommitTimestamp`, whole, time)
  }
  return Object.entries(body).every(isKnown) ? body : Object.fromEntries(Object.entries(body).filter(isKnown))
}

const longestValue = 60

function wrongType(where: string, { expected }: Kind, value: JsonValue): LakeError {
  return new LakeError('LOG_CORRUPT', `${where}: expected ${expected}, got ${shortly(value)}`, {
    details: { where },
  })
}

/** A value for an error: it may be large, or nested deeper than can be written. */
function shortly(value: JsonValue): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  const written = formatJson(value)
  return written.length > longestValue ? `${written.slice(0, longestValue)}…` : written
}
