/**
 * The table properties of Delta: the only place that knows their names, their values and their defaults.
 * Delta PROTOCOL.md, "Table Properties".
 *
 * `propertiesOf` reads them as typed values; `checkedProperties` (`set-properties.ts`) checks those that a user sets.
 */
import { LakeError } from '../../base/errors.ts'
import { isSameName } from '../schema/names.ts'
import { parseInterval } from './interval.ts'
import type { StringMap } from './metadata.ts'

/**
 * `obeyed`: it changes what we do. `hint`: it is kept for other writers; rows, versions and what others read are the
 * same without it. `kept`: we write it ourselves, nobody sets it.
 */
type Role = 'obeyed' | 'hint' | 'kept'

export interface TableProperty<T> {
  /** `delta.appendOnly`. */
  readonly name: string
  /** The values that may be set, for people. */
  readonly expected: string
  readonly role: Role
  /**
   * The value in a table's configuration, or what holds without it. A value that the property cannot have counts as
   * not set, unless it decides what is removed or how files are read.
   *
   * @throws LakeError `CONFIG_INVALID` naming the property and what it may be.
   */
  read(configuration: StringMap): T
  /** Whether a user may set this value. */
  accepts(value: string): boolean
}

interface ValueRule<T> {
  readonly expected: string
  /** `undefined` if the text is no such value. */
  readonly parse: (value: string) => T | undefined
  /** A value that cannot be parsed is an error. It counts as not set otherwise. */
  readonly isStrict?: boolean
  /** The `fault` of the error for a value that cannot be parsed. */
  readonly fault?: string
  /** Whether a value that can be read may be set too; each may without it. */
  readonly maySet?: (value: T) => boolean
}

function property<T, const Default>(
  name: string,
  { expected, parse, isStrict = false, fault, maySet }: ValueRule<T>,
  otherwise: Default,
  role: Role = 'obeyed',
): TableProperty<T | Default> {
  return {
    name,
    expected,
    role,
    read: (configuration) => {
      const text = configuration[name]
      if (text === undefined) return otherwise
      const value = parse(text)
      if (value !== undefined) return value
      if (!isStrict) return otherwise
      throw new LakeError('CONFIG_INVALID', `${name}: expected ${expected}, got '${text}'`, {
        details: { property: name, value: text, ...(fault !== undefined && { fault }) },
      })
    },
    accepts: (text) => {
      const value = parse(text)
      return value !== undefined && maySet?.(value) !== false
    },
  }
}

const flag: ValueRule<boolean> = {
  expected: 'true or false',
  parse: (text) => (/^true$/i.test(text) ? true : /^false$/i.test(text) ? false : undefined),
}

/** A flag that turns on what we cannot write: it is known where another writer has set it. */
const unwritable: ValueRule<boolean> = {
  ...flag,
  expected: 'false, since what it turns on cannot be written',
  maySet: (value) => !value,
}

/** In any case of letters; `name` gives the spelling of the list. */
function oneOf<const Word extends string>(...words: readonly Word[]): ValueRule<Word> {
  return {
    expected: words.join(' or '),
    parse: (text) => words.find((word) => isSameName(word, text)),
  }
}

function wholeNumberFrom(least: number): ValueRule<number> {
  return {
    expected: `a whole number from ${least} up`,
    parse: (text) => (/^-?\d{1,9}$/.test(text) && Number(text) >= least ? Number(text) : undefined),
  }
}

const anyText: ValueRule<string> = { expected: 'a text', parse: (text) => text }

/** Any number; the writer of the property sees to it that it is right. */
const anyNumber: ValueRule<number> = { expected: 'a number', parse: Number }

/** In milliseconds. */
const span: ValueRule<number> = {
  expected: "a span as 'interval 7 days'",
  parse: parseInterval,
  isStrict: true,
  fault: 'not-an-interval',
}

const sizeUnits = ['', 'k', 'm', 'g', 't']

/** In bytes, as Spark reads sizes. */
const size: ValueRule<number> = {
  expected: "a size as 134217728 or '128mb'",
  parse: (text) => {
    const { digits, unit = '' } = /^\s*(?<digits>\d+)\s*(?<unit>[kmgt]?)b?\s*$/i.exec(text)?.groups ?? {}
    const sizeBytes = Number(digits) * 1024 ** sizeUnits.indexOf(unit.toLowerCase())
    return sizeBytes > 0 ? sizeBytes : undefined
  },
  isStrict: true,
}

const dayMs = 86_400_000

/** `disabled` is how the reference implementation spells false here. */
const autoCompact = oneOf('true', 'false', 'auto', 'disabled')

export const tableProperties = {
  appendOnly: property('delta.appendOnly', flag, false),
  autoCompact: property('delta.autoOptimize.autoCompact', autoCompact, 'false'),
  optimizeWrite: property('delta.autoOptimize.optimizeWrite', flag, false, 'hint'),
  checkpointInterval: property('delta.checkpointInterval', wholeNumberFrom(1), 10),
  checkpointPolicy: property('delta.checkpointPolicy', oneOf('classic', 'v2'), 'classic'),
  writeStatsAsJson: property('delta.checkpoint.writeStatsAsJson', flag, true),
  writeStatsAsStruct: property('delta.checkpoint.writeStatsAsStruct', flag, false),
  columnMappingMode: property(
    'delta.columnMapping.mode',
    { ...oneOf('none', 'name', 'id'), isStrict: true },
    'none',
  ),
  dataSkippingNumIndexedCols: property('delta.dataSkippingNumIndexedCols', wholeNumberFrom(-1), 32),
  dataSkippingStatsColumns: property('delta.dataSkippingStatsColumns', anyText, undefined),
  deletedFileRetentionMs: property('delta.deletedFileRetentionDuration', span, 7 * dayMs),
  enableChangeDataFeed: property('delta.enableChangeDataFeed', flag, false),
  enableDeletionVectors: property('delta.enableDeletionVectors', flag, false, 'hint'),
  enableExpiredLogCleanup: property('delta.enableExpiredLogCleanup', flag, true),
  enableIcebergCompatV1: property('delta.enableIcebergCompatV1', unwritable, false),
  enableIcebergCompatV2: property('delta.enableIcebergCompatV2', unwritable, false),
  enableInCommitTimestamps: property('delta.enableInCommitTimestamps', flag, false),
  enableRowTracking: property('delta.enableRowTracking', unwritable, false),
  enableTypeWidening: property('delta.enableTypeWidening', flag, false),
  isolationLevel: property('delta.isolationLevel', oneOf('Serializable'), undefined),
  logRetentionMs: property('delta.logRetentionDuration', span, 30 * dayMs),
  transactionRetentionMs: property('delta.setTransactionRetentionDuration', span, undefined, 'hint'),
  targetFileBytes: property('delta.targetFileSize', size, undefined),
  tuneFileSizesForRewrites: property('delta.tuneFileSizesForRewrites', flag, false, 'hint'),
  maxColumnId: property('delta.columnMapping.maxColumnId', anyNumber, 0, 'kept'),
  inCommitTimestampsSince: property('delta.inCommitTimestampEnablementVersion', anyNumber, undefined, 'kept'),
  inCommitTimestampsSinceMs: property(
    'delta.inCommitTimestampEnablementTimestamp',
    anyNumber,
    undefined,
    'kept',
  ),
} satisfies Readonly<Record<string, TableProperty<unknown>>>

type Declared = typeof tableProperties

/** What a table's properties say: `snapshot.properties.appendOnly`. A getter throws as `TableProperty.read` does. */
export type TableProperties = {
  readonly [Name in keyof Declared]: ReturnType<Declared[Name]['read']>
}

export function propertiesOf(configuration: StringMap): TableProperties {
  // Each is parsed when it is asked for: a wrong value stops only the operations that need it.
  const getters = Object.entries(tableProperties).map(([name, { read }]) => [
    name,
    { get: () => read(configuration), enumerable: true },
  ])
  return Object.create(null, Object.fromEntries(getters))
}

/** A CHECK constraint is a property, `delta.constraints.NAME`. */
export const constraintPrefix = 'delta.constraints.'
