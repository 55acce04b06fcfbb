/**
 * Which tables may be read and written. Delta PROTOCOL.md, "Protocol Evolution" and "Table Features".
 *
 * A feature that we lack is refused by its name before anything is read or written, never ignored.
 */
import { LakeError } from '../../base/errors.ts'
import type { Metadata, Protocol } from './metadata.ts'

interface Feature {
  /** `unused`: allowed where the metadata shows that the table does not use it. */
  readonly write: 'yes' | 'no' | 'unused'
  readonly read: 'yes' | 'no'
  /** Shows that the table uses it, where being listed is not enough. */
  readonly isUsed?: (metadata: Metadata) => boolean
}

const anySchema =
  (pattern: RegExp) =>
  ({ schemaString }: Metadata): boolean =>
    pattern.test(schemaString)

const anyProperty =
  (pattern: RegExp) =>
  ({ configuration }: Metadata): boolean =>
    Object.entries(configuration).some(([name, value]) => pattern.test(`${name}=${value}`))

/** Features by the name that the protocol gives them. Those that bind writers alone are readable by all. */
export const features: Readonly<Record<string, Feature>> = {
  appendOnly: { read: 'yes', write: 'yes' },
  invariants: { read: 'yes', write: 'yes' },
  checkConstraints: { read: 'yes', write: 'yes' },
  changeDataFeed: { read: 'yes', write: 'yes' },
  generatedColumns: { read: 'yes', write: 'unused', isUsed: anySchema(/delta\.generationExpression/) },
  identityColumns: { read: 'yes', write: 'unused', isUsed: anySchema(/delta\.identity\./) },
  allowColumnDefaults: { read: 'yes', write: 'unused', isUsed: anySchema(/CURRENT_DEFAULT/) },
  inCommitTimestamp: { read: 'yes', write: 'yes' },
  'inCommitTimestamp-preview': { read: 'yes', write: 'no' },
  timestampNtz: { read: 'yes', write: 'yes' },
  domainMetadata: { read: 'yes', write: 'yes' },
  vacuumProtocolCheck: { read: 'yes', write: 'yes' },
  columnMapping: { read: 'yes', write: 'yes' },
  deletionVectors: { read: 'yes', write: 'yes' },
  typeWidening: { read: 'yes', write: 'yes' },
  'typeWidening-preview': { read: 'yes', write: 'no' },
  v2Checkpoint: { read: 'yes', write: 'yes' },
  variantType: { read: 'yes', write: 'no' },
  'variantType-preview': { read: 'yes', write: 'no' },
  variantShredding: { read: 'yes', write: 'no' },
  'variantShredding-preview': { read: 'yes', write: 'no' },
  /** The newest version of such a table is known to its catalogue alone. */
  catalogManaged: { read: 'no', write: 'no' },
  catalogOwned: { read: 'no', write: 'no' },
  'catalogOwned-preview': { read: 'no', write: 'no' },
  rowTracking: { read: 'yes', write: 'no' },
  clustering: { read: 'yes', write: 'no' },
  icebergCompatV1: { read: 'yes', write: 'no' },
  icebergCompatV2: { read: 'yes', write: 'no' },
  checkpointProtection: { read: 'yes', write: 'no' },
}

/** Older spellings of a feature, and what they mean to a reader. */
export function hasReaderFeature(protocol: Protocol, ...names: readonly string[]): boolean {
  return protocol.minReaderVersion >= 3 && names.some((name) => protocol.readerFeatures?.includes(name))
}

/** Whether files may name their columns otherwise than the schema does. */
export function columnMappingMode(protocol: Protocol, { configuration }: Metadata): 'none' | 'name' | 'id' {
  const mode = configuration['delta.columnMapping.mode']?.toLowerCase()
  // Delta-spark 3.1 names it for writers alone, over columns that are mapped all the same.
  const isSupported =
    protocol.minReaderVersion === 2 ||
    hasReaderFeature(protocol, 'columnMapping') ||
    protocol.writerFeatures?.includes('columnMapping') === true
  return isSupported && (mode === 'name' || mode === 'id') ? mode : 'none'
}

/** Delta PROTOCOL.md, "Writer Requirements for V2 Spec Checkpoints": where not asked for, a classic one is better. */
export function usesV2Checkpoints(protocol: Protocol, { configuration }: Metadata): boolean {
  return (
    hasReaderFeature(protocol, 'v2Checkpoint') &&
    configuration['delta.checkpointPolicy']?.toLowerCase() === 'v2'
  )
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

/** All that a writer may meet in such a table: what the protocol lists, or what its version stands for. */
export function impliedFeatures({ minWriterVersion, writerFeatures = [] }: Protocol): readonly string[] {
  return minWriterVersion >= 7 ? writerFeatures : impliedByWriterVersion.slice(0, minWriterVersion + 1).flat()
}

const columnMappingInUse = anyProperty(/^delta\.columnMapping\.mode=(?!none$)/i)

/**
 * @throws LakeError `PROTOCOL_UNSUPPORTED` naming each feature that we cannot read, `LOG_CORRUPT` for a protocol
 * that is not legal.
 */
export function requireReadable(protocol: Protocol, metadata: Metadata, table: string): void {
  const { minReaderVersion, minWriterVersion, readerFeatures = [], writerFeatures = [] } = protocol
  if (minReaderVersion === 3 && minWriterVersion < 7) {
    throw new LakeError(
      'LOG_CORRUPT',
      `${table}: protocol ${minReaderVersion}/${minWriterVersion} is not legal, reader version 3 needs writer version 7`,
      { details: { table, protocol } },
    )
  }
  const listed = minReaderVersion >= 3 ? readerFeatures : []
  const lacking = listed.filter((name) => features[name]?.read !== 'yes')
  // What keeps readers out is not read because a writer forgot one of the two lists.
  for (const name of writerFeatures) {
    if (features[name]?.read === 'no' && !lacking.includes(name)) lacking.push(name)
  }
  if (minReaderVersion > 3) lacking.push(`reader version ${minReaderVersion}`)
  refuse('read', lacking, table, protocol)
  const isMapped = columnMappingInUse(metadata) && metadata.schemaString.includes('physicalName')
  if (isMapped && columnMappingMode(protocol, metadata) === 'none') {
    throw new LakeError(
      'LOG_CORRUPT',
      `${table}: its columns are mapped, its protocol does not allow columnMapping`,
      {
        details: { table, protocol },
      },
    )
  }
}

/** @throws LakeError `PROTOCOL_UNSUPPORTED` naming each feature that we cannot write. */
export function requireWritable(protocol: Protocol, metadata: Metadata, table: string): void {
  requireReadable(protocol, metadata, table)
  const { minWriterVersion } = protocol
  const lacking = impliedFeatures(protocol).filter((name) => {
    const feature = features[name]
    if (feature === undefined || feature.write === 'no') return true
    if (feature.write === 'yes') return false
    return feature.isUsed?.(metadata) ?? true
  })
  if (minWriterVersion > 7) lacking.push(`writer version ${minWriterVersion}`)
  refuse('write', lacking, table, protocol)
}

function refuse(doing: string, lacking: readonly string[], table: string, protocol: Protocol): void {
  if (lacking.length === 0) return
  throw new LakeError(
    'PROTOCOL_UNSUPPORTED',
    `Cannot ${doing} ${table}: it needs ${lacking.join(', ')} (protocol ${protocol.minReaderVersion}/${protocol.minWriterVersion})`,
    { details: { table, lacking } },
  )
}

export function hasInCommitTimestamps(metadata: Metadata | undefined): boolean {
  return metadata?.configuration['delta.enableInCommitTimestamps']?.toLowerCase() === 'true'
}
