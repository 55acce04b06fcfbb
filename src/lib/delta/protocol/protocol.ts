/**
 * Decides whether a table may be read and written. Delta PROTOCOL.md, "Protocol Evolution" and "Table Features".
 *
 * If a table needs a feature that we lack, it is refused before anything is read or written. The error names the feature.
 */
import { LakeError } from '../../base/errors.ts'
import { decodeSchema } from '../schema/schema.ts'
import { features, hasReaderFeature, impliedFeatures, usedFeatures } from './features.ts'
import { columnMappingMode } from './mapping.ts'
import type { Metadata, Protocol } from './metadata.ts'
import { propertiesOf } from './properties.ts'

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
  const { columnMappingMode: wanted } = propertiesOf(metadata.configuration)
  const isMapped = wanted !== 'none' && metadata.schemaString.includes('physicalName')
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
  const used = (): readonly string[] =>
    usedFeatures(decodeSchema(metadata.schemaString), metadata.configuration)
  const lacking = impliedFeatures(protocol).filter((name) => {
    const feature = features[name]
    if (feature === undefined || feature.write === 'no') return true
    if (feature.write === 'yes') return false
    return used().includes(name)
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
  return metadata !== undefined && propertiesOf(metadata.configuration).enableInCommitTimestamps
}

/** Delta PROTOCOL.md, "Writer Requirements for V2 Spec Checkpoints": where not asked for, a classic one is better. */
export function usesV2Checkpoints(protocol: Protocol, { configuration }: Metadata): boolean {
  return hasReaderFeature(protocol, 'v2Checkpoint') && propertiesOf(configuration).checkpointPolicy === 'v2'
}
