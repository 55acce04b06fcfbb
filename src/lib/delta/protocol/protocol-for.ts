/**
 * The protocol that a table needs for what its schema and properties use.
 * Delta PROTOCOL.md, "Table Features" and "Protocol Evolution".
 *
 * A protocol only ever grows: what a table once allowed, its files and older versions may still use.
 */

import type { DataType, StructType } from '../schema/schema.ts'
import { fieldsOf, holds } from '../schema/walk.ts'
import type { Metadata, Protocol } from './metadata.ts'
import { impliedFeatures } from './protocol.ts'

/** Features that readers must know too, which are then in both lists. */
const readerFeatures = new Set([
  'columnMapping',
  'deletionVectors',
  'timestampNtz',
  'typeWidening',
  'typeWidening-preview',
  'v2Checkpoint',
  'vacuumProtocolCheck',
  'variantType',
  'variantType-preview',
  'variantShredding',
  'variantShredding-preview',
  'catalogManaged',
  'catalogOwned',
  'catalogOwned-preview',
])

/** What a new table may use without asking: all writers know these. */
const always = ['appendOnly', 'invariants']
/** Stands for just those, also to writers that know no features by name. */
const plain: Protocol = { minReaderVersion: 1, minWriterVersion: 2 }

type Used = (schema: StructType, properties: Metadata['configuration']) => boolean

const isOn =
  (name: string): Used =>
  (_, properties) =>
    properties[name]?.toLowerCase() === 'true'

const hasType =
  (wanted: DataType): Used =>
  (schema) =>
    holds(schema, (type) => type === wanted)

const hasFieldMetadata =
  (isWanted: (key: string) => boolean): Used =>
  (schema) =>
    fieldsOf(schema).some(({ metadata }) => Object.keys(metadata).some(isWanted))

const used: Readonly<Record<string, Used>> = {
  appendOnly: isOn('delta.appendOnly'),
  invariants: hasFieldMetadata((key) => key === 'delta.invariants'),
  checkConstraints: (_, properties) =>
    Object.keys(properties).some((name) => name.startsWith('delta.constraints.')),
  changeDataFeed: isOn('delta.enableChangeDataFeed'),
  generatedColumns: hasFieldMetadata((key) => key === 'delta.generationExpression'),
  identityColumns: hasFieldMetadata((key) => key.startsWith('delta.identity.')),
  allowColumnDefaults: hasFieldMetadata((key) => key === 'CURRENT_DEFAULT'),
  columnMapping: (_, properties) => !/^(none)?$/i.test(properties['delta.columnMapping.mode'] ?? ''),
  deletionVectors: isOn('delta.enableDeletionVectors'),
  timestampNtz: hasType('timestamp_ntz'),
  variantType: hasType('variant'),
  typeWidening: (schema, properties) =>
    isOn('delta.enableTypeWidening')(schema, properties) ||
    hasFieldMetadata((key) => key === 'delta.typeChanges')(schema, properties),
  v2Checkpoint: (_, properties) => properties['delta.checkpointPolicy']?.toLowerCase() === 'v2',
  inCommitTimestamp: isOn('delta.enableInCommitTimestamps'),
  rowTracking: isOn('delta.enableRowTracking'),
  domainMetadata: isOn('delta.enableRowTracking'),
  icebergCompatV1: isOn('delta.enableIcebergCompatV1'),
  icebergCompatV2: isOn('delta.enableIcebergCompatV2'),
}

/**
 * @param current Of the table that is to have this schema and these properties; `undefined` for a new one.
 * @param further Features to be listed whether they are used or not.
 * @returns `current` itself where it allows all that is used.
 */
export function protocolFor(
  schema: StructType,
  properties: Metadata['configuration'],
  current?: Protocol,
  further: readonly string[] = [],
): Protocol {
  const needed = Object.keys(used).filter((name) => used[name]?.(schema, properties) === true)
  needed.push(...further.filter((name) => !needed.includes(name)))
  if (current === undefined) {
    const isPlain = needed.every((name) => always.includes(name))
    return isPlain ? plain : listing([...new Set([...always, ...needed])], [])
  }
  const allowed = impliedFeatures(current)
  const forReaders = readerFeaturesOf(current)
  const lacksNone = needed.every(
    (name) => allowed.includes(name) && (!readerFeatures.has(name) || forReaders.includes(name)),
  )
  return lacksNone ? current : listing([...new Set([...allowed, ...needed])], forReaders)
}

/** A protocol that allows what either does. */
export function mergedProtocol(a: Protocol, b: Protocol): Protocol {
  const [ofA, ofB] = [impliedFeatures(a), impliedFeatures(b)]
  const covers = (own: readonly string[], other: readonly string[]): boolean =>
    other.every((name) => own.includes(name))
  const [readA, readB] = [readerFeaturesOf(a), readerFeaturesOf(b)]
  if (covers(ofA, ofB) && covers(readA, readB)) return a
  return listing([...new Set([...ofA, ...ofB])], [...new Set([...readA, ...readB])])
}

function listing(writer: readonly string[], reader: readonly string[]): Protocol {
  const forReaders = [...new Set([...reader, ...writer.filter((name) => readerFeatures.has(name))])]
  return {
    minReaderVersion: forReaders.length > 0 ? 3 : 1,
    minWriterVersion: 7,
    ...(forReaders.length > 0 && { readerFeatures: forReaders }),
    writerFeatures: [...new Set([...writer, ...forReaders])],
  }
}

function readerFeaturesOf({ minReaderVersion, readerFeatures: listed = [] }: Protocol): readonly string[] {
  if (minReaderVersion >= 3) return listed
  return minReaderVersion === 2 ? ['columnMapping'] : []
}
