/**
 * Which tables may be read and written. Delta PROTOCOL.md, "Protocol Evolution" and "Table Features".
 *
 * A feature that we lack is refused by its name before anything is read or written, never ignored.
 */
import { LakeError } from '../base/errors.ts'
import type { Metadata, Protocol } from './actions.ts'

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
  invariants: { read: 'yes', write: 'unused', isUsed: anySchema(/delta\.invariants/) },
  checkConstraints: { read: 'yes', write: 'unused', isUsed: anyProperty(/^delta\.constraints\./) },
  changeDataFeed: {
    read: 'yes',
    write: 'unused',
    isUsed: anyProperty(/^delta\.enableChangeDataFeed=true$/i),
  },
  generatedColumns: { read: 'yes', write: 'unused', isUsed: anySchema(/delta\.generationExpression/) },
  identityColumns: { read: 'yes', write: 'unused', isUsed: anySchema(/delta\.identity\./) },
  allowColumnDefaults: { read: 'yes', write: 'unused', isUsed: anySchema(/CURRENT_DEFAULT/) },
  inCommitTimestamp: { read: 'yes', write: 'yes' },
  'inCommitTimestamp-preview': { read: 'yes', write: 'no' },
  timestampNtz: { read: 'yes', write: 'yes' },
  domainMetadata: { read: 'yes', write: 'yes' },
  vacuumProtocolCheck: { read: 'yes', write: 'yes' },
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

const columnMappingInUse = anyProperty(/^delta\.columnMapping\.mode=(?!none$)/i)

/** @throws LakeError `PROTOCOL_UNSUPPORTED` naming each feature that we cannot read. */
export function requireReadable(protocol: Protocol, metadata: Metadata, table: string): void {
  const listed = protocol.minReaderVersion >= 3 ? (protocol.readerFeatures ?? []) : []
  const lacking = listed.filter((name) => features[name]?.read !== 'yes')
  if (columnMappingInUse(metadata) && !lacking.includes('columnMapping')) lacking.push('columnMapping')
  if (protocol.minReaderVersion > 3) lacking.push(`reader version ${protocol.minReaderVersion}`)
  refuse('read', lacking, table, protocol)
}

/** @throws LakeError `PROTOCOL_UNSUPPORTED` naming each feature that we cannot write. */
export function requireWritable(protocol: Protocol, metadata: Metadata, table: string): void {
  requireReadable(protocol, metadata, table)
  const { minWriterVersion, writerFeatures = [] } = protocol
  const implied =
    minWriterVersion >= 7 ? writerFeatures : impliedByWriterVersion.slice(0, minWriterVersion + 1).flat()
  const lacking = implied.filter((name) => {
    if (name === 'columnMapping') return columnMappingInUse(metadata)
    const feature = features[name]
    if (feature === undefined || feature.write === 'no') return true
    return feature.write === 'unused' && (feature.isUsed?.(metadata) ?? true)
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
