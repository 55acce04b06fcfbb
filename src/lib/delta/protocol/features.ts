/**
 * The table features of Delta: the only place that knows their names, who must know them, and what uses them.
 * Delta PROTOCOL.md, "Table Features".
 */
import type { DataType, StructType } from '../schema/schema.ts'
import { fieldsOf, holds } from '../schema/walk.ts'
import type { Protocol, StringMap } from './metadata.ts'
import { constraintPrefix, propertiesOf, type TableProperties } from './properties.ts'

export interface Feature {
  readonly read: 'yes' | 'no'
  /** `unused`: allowed if nothing in the table uses it. */
  readonly write: 'yes' | 'no' | 'unused'
  /** Readers must know it too: the protocol lists it twice. */
  readonly isForReaders?: true
  /** Whether a table uses it. A feature without it is in use if it is listed. */
  readonly isUsed?: Use
}

type Use = (schema: StructType, properties: TableProperties, configuration: StringMap) => boolean

const isOn =
  (name: keyof TableProperties): Use =>
  (_, properties) =>
    properties[name] === true

const hasType =
  (wanted: DataType): Use =>
  (schema) =>
    holds(schema, (type) => type === wanted)

const hasFieldMetadata =
  (isWanted: (key: string) => boolean): Use =>
  (schema) =>
    fieldsOf(schema).some(({ metadata }) => Object.keys(metadata).some(isWanted))

const hasTypeChanges = hasFieldMetadata((key) => key === 'delta.typeChanges')

/** By the name that the protocol gives them. */
export const features: Readonly<Record<string, Feature>> = {
  appendOnly: { read: 'yes', write: 'yes', isUsed: isOn('appendOnly') },
  invariants: {
    read: 'yes',
    write: 'yes',
    isUsed: hasFieldMetadata((key) => key === 'delta.invariants'),
  },
  checkConstraints: {
    read: 'yes',
    write: 'yes',
    isUsed: (_schema, _properties, configuration) =>
      Object.keys(configuration).some((name) => name.startsWith(constraintPrefix)),
  },
  changeDataFeed: { read: 'yes', write: 'yes', isUsed: isOn('enableChangeDataFeed') },
  generatedColumns: {
    read: 'yes',
    write: 'unused',
    isUsed: hasFieldMetadata((key) => key === 'delta.generationExpression'),
  },
  identityColumns: {
    read: 'yes',
    write: 'unused',
    isUsed: hasFieldMetadata((key) => key.startsWith('delta.identity.')),
  },
  allowColumnDefaults: {
    read: 'yes',
    write: 'unused',
    isUsed: hasFieldMetadata((key) => key === 'CURRENT_DEFAULT'),
  },
  inCommitTimestamp: { read: 'yes', write: 'yes', isUsed: isOn('enableInCommitTimestamps') },
  'inCommitTimestamp-preview': { read: 'yes', write: 'no' },
  timestampNtz: { read: 'yes', write: 'yes', isForReaders: true, isUsed: hasType('timestamp_ntz') },
  domainMetadata: { read: 'yes', write: 'yes', isUsed: isOn('enableRowTracking') },
  vacuumProtocolCheck: { read: 'yes', write: 'yes', isForReaders: true },
  columnMapping: {
    read: 'yes',
    write: 'yes',
    isForReaders: true,
    isUsed: (_, { columnMappingMode }) => columnMappingMode !== 'none',
  },
  deletionVectors: {
    read: 'yes',
    write: 'yes',
    isForReaders: true,
    isUsed: isOn('enableDeletionVectors'),
  },
  typeWidening: {
    read: 'yes',
    write: 'yes',
    isForReaders: true,
    isUsed: (schema, properties, configuration) =>
      properties.enableTypeWidening || hasTypeChanges(schema, properties, configuration),
  },
  'typeWidening-preview': { read: 'yes', write: 'no', isForReaders: true },
  v2Checkpoint: {
    read: 'yes',
    write: 'yes',
    isForReaders: true,
    isUsed: (_, { checkpointPolicy }) => checkpointPolicy === 'v2',
  },
  variantType: { read: 'yes', write: 'no', isForReaders: true, isUsed: hasType('variant') },
  'variantType-preview': { read: 'yes', write: 'no', isForReaders: true },
  variantShredding: { read: 'yes', write: 'no', isForReaders: true },
  'variantShredding-preview': { read: 'yes', write: 'no', isForReaders: true },
  /** Only the catalogue of such a table knows its newest version. */
  catalogManaged: { read: 'no', write: 'no', isForReaders: true },
  catalogOwned: { read: 'no', write: 'no', isForReaders: true },
  'catalogOwned-preview': { read: 'no', write: 'no', isForReaders: true },
  rowTracking: { read: 'yes', write: 'no', isUsed: isOn('enableRowTracking') },
  clustering: { read: 'yes', write: 'no' },
  icebergCompatV1: { read: 'yes', write: 'no', isUsed: isOn('enableIcebergCompatV1') },
  icebergCompatV2: { read: 'yes', write: 'no', isUsed: isOn('enableIcebergCompatV2') },
  checkpointProtection: { read: 'yes', write: 'no' },
}

/** The features that a table of this schema and these properties uses, as far as those show it. */
export function usedFeatures(schema: StructType, configuration: StringMap): readonly string[] {
  const properties = propertiesOf(configuration)
  return Object.keys(features).filter(
    (name) => features[name]?.isUsed?.(schema, properties, configuration) === true,
  )
}

/** Whether one of the features is also a reader feature. */
export function hasReaderFeature(protocol: Protocol, ...names: readonly string[]): boolean {
  return protocol.minReaderVersion >= 3 && names.some((name) => protocol.readerFeatures?.includes(name))
}

/** What a table of protocol version 1 to 6 may use without listing it. */
const impliedByWriterVersion: readonly (readonly string[])[] = [
  [],
  [],
  ['appendOnly', 'invariants'],
  ['checkConstraints'],
  ['changeDataFeed', 'generatedColumns'],
  ['columnMapping'],
  ['identityColumns'],
]

/** All features that a table may use: those that the protocol lists, or those that its version implies. */
export function impliedFeatures({ minWriterVersion, writerFeatures = [] }: Protocol): readonly string[] {
  return minWriterVersion >= 7 ? writerFeatures : impliedByWriterVersion.slice(0, minWriterVersion + 1).flat()
}

/** The features that readers of such a table must know. */
export function readerFeaturesOf({
  minReaderVersion,
  readerFeatures: listed = [],
}: Protocol): readonly string[] {
  if (minReaderVersion >= 3) return listed
  return minReaderVersion === 2 ? ['columnMapping'] : []
}
