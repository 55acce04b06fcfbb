/**
 * Table properties: which there are, what they may be. Delta PROTOCOL.md, "Table Properties".
 *
 * A property of Delta that we do not know is refused: whoever sets it expects that it is obeyed. What is known is
 * obeyed, or is a hint: rows, versions and what others read are the same without it.
 */

import { LakeError } from '../../base/errors.ts'
import { isSameName, sameNameIn } from '../schema/names.ts'
import { parseInterval } from './interval.ts'
import type { StringMap } from './metadata.ts'
import { features } from './protocol.ts'

/** Whether a value may stand there; what may, for people. */
interface Rule {
  readonly expected: string
  readonly accepts: (value: string) => boolean
}

const truth: Rule = { expected: 'true or false', accepts: (value) => /^(true|false)$/i.test(value) }
const off: Rule = {
  expected: 'false, since what it turns on cannot be written',
  accepts: (value) => /^false$/i.test(value),
}
const oneOf = (...words: readonly string[]): Rule => ({
  expected: words.join(' or '),
  accepts: (value) => words.some((word) => isSameName(word, value)),
})
const wholeFrom = (least: number): Rule => ({
  expected: `a whole number from ${least} up`,
  accepts: (value) => /^-?\d{1,9}$/.test(value) && Number(value) >= least,
})
const anyText: Rule = { expected: 'a text', accepts: () => true }
const span: Rule = {
  expected: "a span as 'interval 7 days'",
  accepts: (value) => {
    try {
      parseInterval(value, 'property')
      return true
    } catch {
      return false
    }
  },
}
const bytes: Rule = {
  expected: "a size as 134217728 or '128mb'",
  accepts: (value) => /^\d+\s*(b|k|kb|m|mb|g|gb)?$/i.test(value),
}

const rules: Readonly<Record<string, Rule>> = {
  'delta.appendOnly': truth,
  'delta.autoOptimize.autoCompact': oneOf('true', 'false', 'auto'),
  'delta.autoOptimize.optimizeWrite': truth,
  'delta.checkpointInterval': wholeFrom(1),
  'delta.checkpointPolicy': oneOf('classic', 'v2'),
  'delta.checkpoint.writeStatsAsJson': truth,
  'delta.checkpoint.writeStatsAsStruct': truth,
  'delta.columnMapping.mode': oneOf('none', 'name', 'id'),
  'delta.dataSkippingNumIndexedCols': wholeFrom(-1),
  'delta.dataSkippingStatsColumns': anyText,
  'delta.deletedFileRetentionDuration': span,
  'delta.enableChangeDataFeed': truth,
  'delta.enableDeletionVectors': truth,
  'delta.enableExpiredLogCleanup': truth,
  'delta.enableIcebergCompatV1': off,
  'delta.enableIcebergCompatV2': off,
  'delta.enableInCommitTimestamps': truth,
  'delta.enableRowTracking': off,
  'delta.enableTypeWidening': truth,
  'delta.isolationLevel': oneOf('Serializable'),
  'delta.logRetentionDuration': span,
  'delta.setTransactionRetentionDuration': span,
  'delta.targetFileSize': bytes,
  'delta.tuneFileSizesForRewrites': truth,
}

/** What is kept for other writers, and changes nothing of what we do. */
const hints = new Set([
  'delta.autoOptimize.optimizeWrite',
  'delta.enableDeletionVectors',
  'delta.setTransactionRetentionDuration',
  'delta.tuneFileSizesForRewrites',
])

export interface TableProperty {
  /** For people. */
  readonly expected: string
  readonly isHint: boolean
}

/** The properties of Delta that a table can be given, by name. */
export const tableProperties: Readonly<Record<string, TableProperty>> = Object.fromEntries(
  Object.entries(rules).map(([name, { expected }]) => [name, { expected, isHint: hints.has(name) }]),
)

const constraintPrefix = 'delta.constraints.'
const featurePrefix = 'delta.feature.'
/** Written by us alone. */
const ours = new Set([
  'delta.columnMapping.maxColumnId',
  'delta.inCommitTimestampEnablementVersion',
  'delta.inCommitTimestampEnablementTimestamp',
])

export interface SetProperties {
  /** What the table's configuration is to hold. */
  readonly properties: StringMap
  /** What the protocol is to list: `delta.feature.NAME = supported`. */
  readonly features: readonly string[]
}

/**
 * @param of `newTable` may have constraints, which no row can violate yet.
 * @throws LakeError `CONFIG_INVALID` naming the property and what it may be, `PROTOCOL_UNSUPPORTED` for a feature
 * that we cannot write.
 */
export function checkedProperties(given: StringMap, of: 'newTable' | 'table' = 'table'): SetProperties {
  const properties: Record<string, string> = {}
  const wanted: string[] = []
  for (const [key, value] of Object.entries(given)) {
    const name = knownName(key)
    if (name.startsWith(featurePrefix)) {
      wanted.push(featureOf(name, value))
    } else {
      requireProperty(name, value, of)
      properties[name] = value
    }
  }
  return { properties, features: wanted }
}

/** Of properties of Delta the case does not count; others are as they are given. */
function knownName(given: string): string {
  return sameNameIn(Object.keys(rules), given) ?? given
}

function requireProperty(name: string, value: string, of: 'newTable' | 'table'): void {
  const refuse = (what: string, hint?: string): LakeError =>
    new LakeError('CONFIG_INVALID', `Property ${name}: ${what}`, {
      details: { name, value },
      ...(hint !== undefined && { hint }),
    })
  if (!name.toLowerCase().startsWith('delta.')) return
  if (name.startsWith(constraintPrefix)) {
    if (of === 'newTable') return
    throw refuse('a constraint is not set as a property', 'Add it as a constraint: rows are then checked.')
  }
  if (ours.has(name)) {
    throw refuse('it is kept by the writer and cannot be set', 'Leave it out.')
  }
  const rule = rules[name]
  if (rule === undefined)
    throw refuse('there is no such property', 'Names of your own must not begin with delta.')
  if (!rule.accepts(value)) throw refuse(`expected ${rule.expected}, got '${value}'`)
}

function featureOf(property: string, value: string): string {
  const name = property.slice(featurePrefix.length)
  const known = sameNameIn(Object.keys(features), name)
  if (known === undefined || features[known]?.write === 'no' || features[known]?.read === 'no') {
    throw new LakeError('PROTOCOL_UNSUPPORTED', `Property ${property}: feature ${name} cannot be written`, {
      details: { feature: name },
    })
  }
  if (/^(supported|enabled)$/i.test(value)) return known
  throw new LakeError('CONFIG_INVALID', `Property ${property}: expected supported, got '${value}'`)
}

/** @throws LakeError `CONFIG_INVALID` for a property that is taken away in another manner. */
export function requireUnsettable(name: string): void {
  const instead = name.startsWith(constraintPrefix)
    ? 'drop the constraint instead'
    : name === 'delta.columnMapping.mode' || ours.has(name) || name.startsWith(featurePrefix)
      ? 'it cannot be taken back'
      : undefined
  if (instead === undefined) return
  throw new LakeError('CONFIG_INVALID', `Property ${name}: ${instead}`, {
    details: { name },
    hint: 'Leave it out.',
  })
}
